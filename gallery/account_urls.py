"""Addresses of one's own account, and of the ways to one. Those ways are open in a gallery that is not."""

from django.contrib.auth.decorators import login_not_required as is_open
from django.urls import path

from gallery import account_views, sign_in_views, sign_up_views, token_views

urlpatterns = [
    path("", account_views.account, name="account"),
    path("password/", account_views.password, name="password"),
    path("sign-out/", account_views.sign_out_elsewhere, name="sign_out_elsewhere"),
    path("delete/", account_views.delete_account, name="delete_account"),
    path("tokens/", token_views.tokens, name="tokens"),
    path("tokens/<int:pk>/revoke/", token_views.revoke_token, name="revoke_token"),
    path("tokens/<int:pk>/undo/", token_views.bring_back_token, name="bring_back_token"),
    path("sign-up/", is_open(sign_up_views.sign_up), name="sign_up"),
    path("sign-up/done/", is_open(sign_up_views.signed_up), name="signed_up"),
    path("invitation/<str:secret>/", is_open(sign_up_views.invitation), name="invitation"),
    path("reset/", is_open(sign_in_views.ask_reset), name="ask_reset"),
    path("reset/sent/", is_open(sign_in_views.reset_sent), name="reset_sent"),
    path("reset/<str:uidb64>/<str:token>/", is_open(sign_in_views.NewPassword.as_view()), name="new_password"),
]
