/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_login.c - log in through the shared library as an application does
 *
 * Whole dialogues with PLAIN and CRAM-MD5, the one-shot calls, and every way to be refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
};

static void add(struct mailauth *ctx, const char *name, const char *password)
{
	struct mailauth_user *user;

	ck_assert_int_eq(mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	ck_assert_int_eq(mailauth_user_set_password(user, password, strlen(password)),
			 MAILAUTH_OK);
	ck_assert_int_eq(mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
	ck_assert_ptr_null(user);
}

START_TEST(accepts_rfc_2195_example)
{
	static const char challenge[] = "<1896.697170952@postoffice.reston.mci.net>";
	static const char response[] = "tim b913a602c7eda7a495b4e6e7334d3890";
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_name name;

	add(ctx, "tim", "tanstaaftanstaaf");
	ck_assert_int_eq(mailauth_verify_cram(ctx, NULL, challenge, strlen(challenge), response,
					      strlen(response), &name),
			 MAILAUTH_OK);
	ck_assert_str_eq(name.text, "tim@example.org");
	ck_assert_int_eq(mailauth_verify_plain(ctx, &over_tls, "tim", 3, "tanstaaftanstaaf", 16,
					       &name),
			 MAILAUTH_OK);
	ck_assert_int_eq(
		mailauth_verify_plain(ctx, &over_tls, "tim", 3, "tanstaaftanstaag", 16, &name),
		MAILAUTH_E_DENIED);
	ck_assert_str_eq(name.text, "");
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api login");
	TCase *tcase = tcase_create("login");

	tcase_add_test(tcase, accepts_rfc_2195_example);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
