/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_login.c - who may log in, at which second, with which credential
 *
 * A canned clock shows the boundary of each date. Accounts with several credentials cannot be made
 * through the public API yet, so they are sealed here and put into the store.
 */
#include "login.h"

#include <stdio.h>

#include <mailauth/admin.h>
#include <mailauth/verifier.h>

#include "support.h"
#include "util/mem.h"

#define DAY	 20000
#define MIDNIGHT ((int64_t)DAY * 86400)

static int64_t canned_s;

static int64_t canned_clock(void)
{
	return canned_s;
}

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
};

static enum mailauth_status verify(struct mailauth *ctx, const struct mailauth_request *request,
				   const char *name, const char *password)
{
	return mailauth_verify_plain(ctx, request, name, strlen(name), password, strlen(password),
				     NULL);
}

/* ---- dates ----------------------------------------------------------------------------------- */

START_TEST(dates_turn_at_midnight_utc)
{
	static const struct {
		const char *name;
		int64_t last_change;
		int64_t max;
		int64_t inactive;
		int64_t expire;
		int64_t now_s;
		const char *reason; /* NULL: admitted */
	} rows[] = {
		{"last second before expiry", DAY - 9, -1, -1, DAY, MIDNIGHT - 1, NULL},
		{"first second of expiry", DAY - 9, -1, -1, DAY, MIDNIGHT, "expired"},
		{"long after expiry", DAY - 9, -1, -1, DAY, MIDNIGHT + 86400 * 1000, "expired"},
		{"expired on day 0", DAY - 9, -1, -1, 0, MIDNIGHT, "expired"},
		{"never expires", DAY - 9, -1, -1, -1, MIDNIGHT, NULL},
		{"last second within max", DAY - 11, 10, -1, -1, MIDNIGHT - 1, NULL},
		{"first second past max", DAY - 11, 10, -1, -1, MIDNIGHT, "must-change"},
		{"max 0, same day", DAY, 0, -1, -1, MIDNIGHT + 86399, NULL},
		{"max 0, next day", DAY - 1, 0, -1, -1, MIDNIGHT, "must-change"},
		{"last second within inactive", DAY - 16, 10, 5, -1, MIDNIGHT - 1, "must-change"},
		{"first second past inactive", DAY - 16, 10, 5, -1, MIDNIGHT, "password-expired"},
		{"inactive 0", DAY - 11, 10, 0, -1, MIDNIGHT, "password-expired"},
		{"inactive without max", DAY - 9999, -1, 0, -1, MIDNIGHT, NULL},
		{"must change", 0, -1, -1, -1, MIDNIGHT, "must-change"},
		{"change not known", -1, 10, 5, -1, MIDNIGHT, NULL},
		{"changed tomorrow", DAY + 1, 0, 0, -1, MIDNIGHT, NULL},
		{"largest numbers", INT32_MAX, 99999, 99999, INT32_MAX, MIDNIGHT, NULL},
		{"oldest change, largest max", 1, 99999, 99999, -1, MIDNIGHT, NULL},
		{"both past", DAY - 16, 10, 5, DAY, MIDNIGHT, "expired"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);

	ctx->now_s = canned_clock;
	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct mailauth_user *user;
		char want[64];

		canned_s = rows[i].now_s;
		ck_assert_int_eq(mailauth_user_new(ctx, "alice", &user), MAILAUTH_OK);
		ck_assert_int_eq(mailauth_user_set_password(user, "secret", 6), MAILAUTH_OK);
		ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE),
				 canned_s / 86400);
		ck_assert_int_eq(mailauth_user_set_number(user, MAILAUTH_NUMBER_LAST_CHANGE,
							  rows[i].last_change),
				 MAILAUTH_OK);
		ck_assert_int_eq(mailauth_user_set_number(user, MAILAUTH_NUMBER_MAX, rows[i].max),
				 MAILAUTH_OK);
		ck_assert_int_eq(
			mailauth_user_set_number(user, MAILAUTH_NUMBER_INACTIVE, rows[i].inactive),
			MAILAUTH_OK);
		ck_assert_int_eq(
			mailauth_user_set_number(user, MAILAUTH_NUMBER_EXPIRE, rows[i].expire),
			MAILAUTH_OK);
		ck_assert_msg((mailauth_user_state(user) == NULL) == (rows[i].reason == NULL),
			      "%s: got state %s", rows[i].name, mailauth_user_state(user));
		ck_assert_int_eq(mailauth_user_add(user), MAILAUTH_OK);
		ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_CREATED), canned_s);
		mailauth_user_free(&user);
		support_log_clear(&log);
		support_status(rows[i].name, verify(ctx, &over_tls, "alice", "secret"),
			       rows[i].reason == NULL ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		(void)snprintf(want, sizeof(want), " reason=%s ",
			       rows[i].reason != NULL ? rows[i].reason : "ok");
		ck_assert_msg(strstr(log.text, want) != NULL, "%s: got %s, want %s", rows[i].name,
			      log.text, want);
		ck_assert_int_eq(mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

/* ---- credentials ------------------------------------------------------------------------------
 */

/* Seals an account and puts it into the store, past the rules of the public API. */
static void put_account(struct mailauth *ctx, const char *name_text,
			const struct ma_account *account)
{
	static const uint8_t nonce[MA_GCM_NONCE_LEN] = {1};
	uint8_t bytes[MA_RECORD_MAX];
	uint8_t key[MA_KEY_MAX];
	struct ma_buf record = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_cipher *cipher;
	struct ma_name name;
	bool conflict;

	ck_assert_ptr_null(ma_name_parse(ma_span_text(name_text), ctx->default_realm, &name));
	ck_assert_int_eq(ma_engine_start(ctx), MAILAUTH_OK);
	ck_assert_int_eq(ma_cipher_new(ma_engine(ctx)->crypto, &cipher), MAILAUTH_OK);
	ck_assert_int_eq(ma_seal(ma_keyring_newest(&ctx->keyring), cipher, &name, account,
				 ma_span(nonce, sizeof(nonce)), &record),
			 MAILAUTH_OK);
	ma_cipher_free(&cipher);
	ck_assert_int_eq(
		ctx->store->ops->apply(ctx->store,
				       &(struct ma_store_change){.key = ma_name_key(&name, key),
								 .record = ma_buf_span(&record)},
				       1, &conflict),
		MAILAUTH_OK);
	ck_assert(!conflict);
}

static void set_secret(struct ma_credential *credential, size_t i, const char *password,
		       uint8_t state_out[MA_HMAC_MD5_STATE])
{
	ma_hmac_md5_derive(ma_span_text(password), state_out);
	credential->secrets[i].kind = MA_KIND_CRAM_MD5;
	credential->secrets[i].value = ma_span(state_out, MA_HMAC_MD5_STATE);
	credential->n_secrets = i + 1;
}

static void keep_verifier(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	(void)kind;
	ck_assert_uint_eq(len, MA_HMAC_MD5_STATE);
	memcpy(arg, p, len);
}

START_TEST(device_credentials_have_limits_of_their_own)
{
	static const struct {
		const char *name;
		const char *password;
		const char *group;
		int64_t now_s;
		enum mailauth_status want;
	} rows[] = {
		{"main", "main", NULL, MIDNIGHT, MAILAUTH_OK},
		{"device", "device", NULL, MIDNIGHT, MAILAUTH_E_DENIED},
		{"device for its group", "device", "smtp", MIDNIGHT, MAILAUTH_OK},
		{"device for another group", "device", "imap", MIDNIGHT, MAILAUTH_E_DENIED},
		{"main for another group", "main", "imap", MIDNIGHT, MAILAUTH_OK},
		{"device on its last day", "device", "smtp", MIDNIGHT + 86399, MAILAUTH_OK},
		{"device on the day it expires", "device", "smtp", MIDNIGHT + 86400,
		 MAILAUTH_E_DENIED},
		{"main on that day", "main", "smtp", MIDNIGHT + 86400, MAILAUTH_OK},
		{"neither", "other", "smtp", MIDNIGHT, MAILAUTH_E_DENIED},
	};
	uint8_t secrets[2][MA_HMAC_MD5_STATE];
	uint8_t handed_out[MA_HMAC_MD5_STATE];
	struct mailauth *ctx = support_open("", NULL);
	struct ma_account account;

	ctx->now_s = canned_clock;
	ma_account_init(&account);
	account.groups = ma_span_text("imap,smtp");
	account.n_credentials = 2;
	set_secret(&account.credentials[0], 0, "main", secrets[0]);
	account.credentials[1].label = ma_span_text("printer");
	account.credentials[1].groups = ma_span_text("smtp");
	account.credentials[1].expires = DAY + 1;
	set_secret(&account.credentials[1], 0, "device", secrets[1]);
	put_account(ctx, "alice", &account);
	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct mailauth_request request = over_tls;

		request.group = rows[i].group;
		canned_s = rows[i].now_s;
		support_status(rows[i].name, verify(ctx, &request, "alice", rows[i].password),
			       rows[i].want);
		/* A host cannot tell devices apart: it always gets the main one. */
		support_status(rows[i].name,
			       mailauth_verifier_get(ctx, &request, "alice", 5,
						     MAILAUTH_VERIFIER_CRAM_MD5, keep_verifier,
						     handed_out),
			       MAILAUTH_OK);
		ck_assert_mem_eq(handed_out, secrets[0], sizeof(handed_out));
	}
	mailauth_free(&ctx);
}
END_TEST

/* A kind that a later version knows serves nothing here, and harms nothing. */
/* A device's password, good for one group, must not become the main one, whoever proved it. */
START_TEST(a_devices_password_is_not_captured)
{
	static const bool has_main[] = {false, true};

	for (size_t i = 0; i < MA_ARRAY_SIZE(has_main); i++) {
		uint8_t secrets[2][MA_HMAC_MD5_STATE];
		struct mailauth_request request = over_tls;
		struct mailauth_user *user;
		struct ma_account account;
		struct mailauth *ctx;

		support_reset();
		ctx = support_open("", NULL);
		ma_account_init(&account);
		account.groups = ma_span_text("smtp");
		account.n_credentials = 2;
		account.credentials[1].expires = -1;
		account.credentials[1].label = ma_span_text("phone");
		account.credentials[1].groups = ma_span_text("smtp");
		set_secret(&account.credentials[1], 0, "device", secrets[1]);
		if (has_main[i])
			set_secret(&account.credentials[0], 0, "main", secrets[0]);
		put_account(ctx, "alice", &account);
		request.group = "smtp";
		support_status("device", verify(ctx, &request, "alice", "device"), MAILAUTH_OK);
		/* The daemon or PAM module that says so asked us, perhaps. */
		support_status("proved elsewhere", mailauth_capture(ctx, "alice", "device", 6),
			       MAILAUTH_OK);
		support_status("elsewhere", verify(ctx, &over_tls, "alice", "device"),
			       MAILAUTH_E_DENIED);
		ck_assert_int_eq(mailauth_user_get(ctx, "alice", &user), MAILAUTH_OK);
		ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), 0);
		mailauth_user_free(&user);
		mailauth_free(&ctx);
	}
}
END_TEST

START_TEST(unknown_kinds_of_secret_are_passed_over)
{
	uint8_t secret[MA_HMAC_MD5_STATE];
	struct mailauth *ctx = support_open("capture = no\n", NULL);
	struct mailauth_user *user;
	struct ma_account account;

	ma_account_init(&account);
	account.credentials[0].n_secrets = 1;
	account.credentials[0].secrets[0] =
		(struct ma_secret){.kind = 200, .value = ma_span_text("secret")};
	put_account(ctx, "later", &account);
	set_secret(&account.credentials[0], 1, "secret", secret);
	put_account(ctx, "both", &account);
	support_status("later", verify(ctx, &over_tls, "later", "secret"), MAILAUTH_E_DENIED);
	support_status("both", verify(ctx, &over_tls, "both", "secret"), MAILAUTH_OK);
	ck_assert_int_eq(mailauth_user_get(ctx, "both", &user), MAILAUTH_OK);
	ck_assert_str_eq(mailauth_user_secret(user, 0), "unknown");
	ck_assert_str_eq(mailauth_user_secret(user, 1), "cram-md5");
	ck_assert_ptr_null(mailauth_user_secret(user, 2));
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

/* A secret of the wrong length fits nothing, whichever mechanism asks. */
START_TEST(damaged_secrets_fit_nothing)
{
	static const struct {
		uint8_t kind;
		const char *mech; /* NULL: none needs it */
	} rows[] = {
		{MA_KIND_CRYPT, NULL},
		{MA_KIND_CRAM_MD5, "CRAM-MD5"},
		{MA_KIND_DIGEST_MD5, "DIGEST-MD5"},
		{MA_KIND_SCRAM_SHA_1, "SCRAM-SHA-1"},
		{MA_KIND_SCRAM_SHA_256, "SCRAM-SHA-256"},
		{MA_KIND_SCRAM_SHA_512, "SCRAM-SHA-512"},
		{MA_KIND_SASL_PLAIN, NULL},
		{MA_KIND_PASSWORD, "APOP"},
	};
	static const char challenge[] = "<1@example.org>";
	static const char response[] = "x0 00000000000000000000000000000000";
	static const uint8_t zeros[64];
	struct mailauth *ctx = support_open("", NULL);

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		const size_t lens[] = {0, 1, 31, 33, 64};

		for (size_t j = 0; j < MA_ARRAY_SIZE(lens); j++) {
			struct ma_account account;
			char name[16];
			char answer[sizeof(response) + 16];

			ma_account_init(&account);
			account.credentials[0].n_secrets = 1;
			account.credentials[0].secrets[0] = (struct ma_secret){

				.kind = rows[i].kind, .value = ma_span(zeros, lens[j])};
			(void)snprintf(name, sizeof(name), "x%zu-%zu", i, j);
			put_account(ctx, name, &account);
			support_status(name, verify(ctx, &over_tls, name, "secret"),
				       MAILAUTH_E_DENIED);
			(void)snprintf(answer, sizeof(answer), "%s%s", name, strchr(response, ' '));
			support_status(name,
				       mailauth_verify_cram(ctx, NULL, challenge, strlen(challenge),
							    answer, strlen(answer), NULL),
				       MAILAUTH_E_DENIED);
			if (rows[i].mech != NULL)
				support_status(
					rows[i].mech,
					support_login(ctx, rows[i].mech, NULL, name, "secret"),
					MAILAUTH_E_DENIED);
		}
	}
	mailauth_free(&ctx);
}
END_TEST

/* ---- verdict -----------------------------------------------------------------------------------
 */

/* The zero of the verdict denies: a mechanism that never asked for the account admits nobody. */
START_TEST(right_proof_without_lookup_is_denied)
{
	struct mailauth *ctx = support_open("", NULL);
	struct ma_login login;

	ma_login_init(&login, ctx, &over_tls, ma_mech_find(ma_span_text("PLAIN")));
	support_status("no lookup", ma_login_finish(&login, MAILAUTH_OK), MAILAUTH_E_DENIED);
	ma_login_clear(&login);
	mailauth_free(&ctx);
}
END_TEST

/* Whatever a mechanism says of a decoy, the account's state decides. */
START_TEST(right_proof_of_a_decoy_is_denied)
{
	static const char *const names[] = {"nobody", "a b", ""};
	struct mailauth *ctx = support_open("", NULL);

	for (size_t i = 0; i < MA_ARRAY_SIZE(names); i++) {
		struct ma_login login;

		ma_login_init(&login, ctx, &over_tls, ma_mech_find(ma_span_text("CRAM-MD5")));
		support_status(names[i],
			       ma_login_lookup(&login, &(struct ma_identity){.user = ma_span_text(
										     names[i])}),
			       MAILAUTH_OK);
		ck_assert_uint_eq(login.candidates.n, 1);
		support_status(names[i], ma_login_finish(&login, MAILAUTH_OK), MAILAUTH_E_DENIED);
		ma_login_clear(&login);
		ma_login_clear(&login);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(every_reason_has_a_name)
{
	for (int i = MA_REASON_UNDECIDED; i <= MA_REASON_FAILED; i++) {
		const char *name = ma_reason_name((enum ma_reason)i);

		ck_assert_msg(name != NULL && name[0] != '\0', "reason %d has no name", i);
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(name, ma_reason_name((enum ma_reason)j));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("login");
	TCase *tcase = tcase_create("login");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, dates_turn_at_midnight_utc);
	tcase_add_test(tcase, device_credentials_have_limits_of_their_own);
	tcase_add_test(tcase, a_devices_password_is_not_captured);
	tcase_add_test(tcase, unknown_kinds_of_secret_are_passed_over);
	tcase_add_test(tcase, damaged_secrets_fit_nothing);
	tcase_add_test(tcase, right_proof_without_lookup_is_denied);
	tcase_add_test(tcase, right_proof_of_a_decoy_is_denied);
	tcase_add_test(tcase, every_reason_has_a_name);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
