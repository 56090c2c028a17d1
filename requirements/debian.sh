#!/bin/sh
# Install the Debian packages that the tests need. Where that is not possible, one line names what is missing, and
# only the tests that need it are skipped (CI takes a skipped browser test for a failure).
set -u

# command:package, why
wanted="
chromium:chromium        a real browser for the tests of the pages
fc-list:fontconfig       fonts for the browser
tesseract:tesseract-ocr  words in pictures
"

missing=$(echo "$wanted" | while read -r pair _why; do
    [ -n "$pair" ] && ! command -v "${pair%%:*}" >/dev/null 2>&1 && echo "${pair#*:}"
done)
[ -n "$missing" ] || exit 0

missing=$(echo $missing | sed "s/tesseract-ocr/& &-deu &-rus/")
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing for the tests: $missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing fonts-dejavu-core >/dev/null && exit 0
fi
echo "Missing: $missing. The tests that need it are skipped; install it with your package manager."
