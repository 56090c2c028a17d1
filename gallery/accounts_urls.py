"""Addresses where admins decide about accounts."""

from django.urls import path

from gallery import accounts_views as views

urlpatterns = [
    path("", views.people, name="accounts"),
    path("<int:pk>/approve/", views.approve, name="approve_account"),
    path("<int:pk>/refuse/", views.decline, name="refuse_account"),
    path("<int:pk>/wait/", views.wait_again, name="wait_account"),
    path("<int:pk>/role/", views.change_role, name="change_role"),
    path("<int:pk>/deactivate/", views.deactivate, name="deactivate_account"),
    path("<int:pk>/reactivate/", views.reactivate, name="reactivate_account"),
    path("<int:pk>/sign-out/", views.sign_out, name="sign_out_account"),
    path("<int:pk>/reset/", views.reset_link, name="reset_account"),
    path("invite/", views.invite, name="invite"),
    path("invitations/<int:pk>/revoke/", views.revoke_invitation, name="revoke_invitation"),
    path("invitations/<int:pk>/undo/", views.bring_back_invitation, name="bring_back_invitation"),
]
