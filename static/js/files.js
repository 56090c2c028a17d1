// From what was dropped or chosen to a flat list of files, folders walked.
import { isImage } from "./page.js";

const PICTURE = /\.(jpe?g|jfif|png|webp|gif|avif|heic|heif|tiff?|bmp)$/i;

/** Inside folders only what may be a picture is taken; a file that was dropped by itself always is. */
const mayBePicture = (file) => !file.name.startsWith(".") && (isImage(file) || PICTURE.test(file.name));

/** Must be called inside the drop event: the browser forgets the items afterwards. */
export function droppedFiles(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return walk(entries, true);
}

async function* walk(entries, top = false) {
  for (const entry of entries) {
    if (entry instanceof File) yield entry;
    else if (entry.isDirectory) yield* walk(await children(entry));
    else {
      const file = await new Promise((done) => entry.file(done, () => done(null)));
      if (file && (top || mayBePicture(file))) yield file;
    }
  }
}

async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((done) => reader.readEntries(done, () => done([]))); // at most 100 a time
    if (!some.length) return all.sort((a, b) => a.name.localeCompare(b.name));
    all.push(...some);
  }
}

export async function* chosenFiles(input) {
  const files = [...input.files];
  yield* input.webkitdirectory ? files.filter(mayBePicture) : files;
}
