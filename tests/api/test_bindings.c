/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_bindings.c - logins that are tied to their TLS connection
 *
 * SCRAM-*-PLUS with each type of channel binding (RFC 5929, RFC 9266), a client that was told that
 * the server cannot (RFC 5802 section 6), and what a caller may pass for bindings.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "accounts.h"
#include "support.h"

static const uint8_t exporter[32] = "exported keying material, 32 by";
static const uint8_t end_point[32] = {0, 1, 2, 3};
static const uint8_t unique[12] = "twelve bytes";
static const uint8_t longest[MAILAUTH_BINDING_MAX] = {0xff};

static const struct mailauth_binding all[] = {
	{.type = "tls-exporter", .p = exporter, .len = sizeof(exporter)},
	{.type = "tls-server-end-point", .p = end_point, .len = sizeof(end_point)},
	{.type = "tls-unique", .p = unique, .len = sizeof(unique)},
	{.type = "longest", .p = longest, .len = sizeof(longest)},
};

static const char *const plus[] = {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"};

static struct mailauth_request request_with(const struct mailauth_binding *bindings, size_t n)
{
	return (struct mailauth_request){
		.size = sizeof(struct mailauth_request), .bindings = bindings, .n_bindings = n};
}

static struct mailauth *open_with_alice(struct support_log *log)
{
	struct mailauth *ctx =
		support_open("mechanisms = SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512\n", log);

	support_add(ctx, "alice", RIGHT);
	return ctx;
}

START_TEST(admits_with_each_binding)
{
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_alice(&log);

	for (size_t i = 0; i < sizeof(plus) / sizeof(plus[0]); i++) {
		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++) {
			struct mailauth_request request = request_with(&all[j], 1);

			support_log_clear(&log);
			support_status(all[j].type,
				       support_login(ctx, plus[i], &request, "alice", RIGHT),
				       MAILAUTH_OK);
			check_log(plus[i], &log, NULL);
			ck_assert_ptr_nonnull(strstr(log.text, plus[i]));
			support_log_clear(&log);
			support_status(all[j].type,
				       support_login(ctx, plus[i], &request, "alice", WRONG),
				       MAILAUTH_E_DENIED);
			check_log(plus[i], &log, "wrong-proof");
		}
	}
	mailauth_free(&ctx);
}
END_TEST

/* One that sits between: the client bound to another connection than the server. */
START_TEST(refuses_a_client_on_another_connection)
{
	static const uint8_t other[32] = "exported keying material, other";
	const struct mailauth_binding binding = {
		.type = "tls-exporter", .p = other, .len = sizeof(other)};
	struct mailauth_request request = request_with(&binding, 1);
	struct mailauth_request here = request_with(all, 4);
	struct support_client client = {
		.mech = "SCRAM-SHA-256-PLUS", .request = &here, .user = "alice", .password = RIGHT};
	struct support_scram scram = {.mech = client.mech,
				      .gs2 = "p=tls-exporter,,",
				      .user = "alice",
				      .password = RIGHT,
				      .nonce = "abc",
				      .binding = other,
				      .binding_len = sizeof(other)};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_alice(&log);
	char message[1024];
	const void *reply;
	size_t len;

	/* The client's data are right for another request ... */
	support_status("there", support_login(ctx, client.mech, &request, "alice", RIGHT),
		       MAILAUTH_OK);
	support_log_clear(&log);
	/* ... and wrong for this one, whose proof is right. */
	support_status("here",
		       mailauth_session_new(ctx, client.mech, client.request, &client.session),
		       MAILAUTH_OK);
	len = support_scram_first(&scram, message, sizeof(message));
	support_status("here", mailauth_session_step(client.session, message, len, &reply, &len),
		       MAILAUTH_CONTINUE);
	len = support_scram_final(&scram, reply, len, message, sizeof(message));
	support_status("here", mailauth_session_step(client.session, message, len, &reply, &len),
		       MAILAUTH_E_PROTOCOL);
	ck_assert_ptr_null(reply);
	ck_assert_ptr_null(mailauth_session_user(client.session));
	check_log("here", &log, "malformed");
	mailauth_session_free(&client.session);
	mailauth_free(&ctx);
}
END_TEST

static enum mailauth_status first_answer(struct mailauth *ctx, const char *mech,
					 const struct mailauth_request *request,
					 const char *message)
{
	struct mailauth_session *session;
	const void *reply;
	size_t len;
	enum mailauth_status status = mailauth_session_new(ctx, mech, request, &session);

	ck_assert((session != NULL) == (status == MAILAUTH_OK));
	if (status != MAILAUTH_OK)
		return status;
	status = mailauth_session_step(session, message, strlen(message), &reply, &len);
	mailauth_session_free(&session);
	return status;
}

/* RFC 5802 section 6: gs2-cbind-flag */
START_TEST(flag_has_to_agree_with_the_offer)
{
	static const struct {
		const char *name;
		const char *mech;
		size_t n_bindings;
		const char *message;
		enum mailauth_status want;
	} rows[] = {
		{"n, no offer", "SCRAM-SHA-256", 0, "n,,n=alice,r=abc", MAILAUTH_CONTINUE},
		{"n, offer", "SCRAM-SHA-256", 1, "n,,n=alice,r=abc", MAILAUTH_CONTINUE},
		{"y, no offer", "SCRAM-SHA-256", 0, "y,,n=alice,r=abc", MAILAUTH_CONTINUE},
		{"y, offer: somebody took it out", "SCRAM-SHA-256", 1, "y,,n=alice,r=abc",
		 MAILAUTH_E_PROTOCOL},
		{"y, four bindings", "SCRAM-SHA-1", 4, "y,,n=alice,r=abc", MAILAUTH_E_PROTOCOL},
		{"p, no offer", "SCRAM-SHA-256", 0, "p=tls-exporter,,n=alice,r=abc",
		 MAILAUTH_E_PROTOCOL},
		{"p, offer, not chosen", "SCRAM-SHA-256", 1, "p=tls-exporter,,n=alice,r=abc",
		 MAILAUTH_E_PROTOCOL},
		{"-PLUS, no offer", "SCRAM-SHA-256-PLUS", 0, "p=tls-exporter,,n=alice,r=abc",
		 MAILAUTH_E_UNSUPPORTED},
		{"-PLUS, offer", "SCRAM-SHA-256-PLUS", 1, "p=tls-exporter,,n=alice,r=abc",
		 MAILAUTH_CONTINUE},
		{"-PLUS, last of the offers", "SCRAM-SHA-256-PLUS", 4, "p=longest,,n=alice,r=abc",
		 MAILAUTH_CONTINUE},
		{"-PLUS, another type", "SCRAM-SHA-256-PLUS", 1, "p=tls-unique,,n=alice,r=abc",
		 MAILAUTH_E_PROTOCOL},
		{"-PLUS, n", "SCRAM-SHA-256-PLUS", 1, "n,,n=alice,r=abc", MAILAUTH_E_PROTOCOL},
		{"-PLUS, y", "SCRAM-SHA-256-PLUS", 1, "y,,n=alice,r=abc", MAILAUTH_E_PROTOCOL},
	};
	struct mailauth *ctx = open_with_alice(NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_request request = request_with(all, rows[i].n_bindings);

		support_status(rows[i].name,
			       first_answer(ctx, rows[i].mech, &request, rows[i].message),
			       rows[i].want);
	}
	support_status("no request", first_answer(ctx, "SCRAM-SHA-256-PLUS", NULL, ""),
		       MAILAUTH_E_UNSUPPORTED);
	mailauth_free(&ctx);
}
END_TEST

/* Other mechanisms do not care. */
START_TEST(bindings_do_no_harm_to_others)
{
	static const char *const mechs[] = {"PLAIN",	  "LOGIN",	 "CRAM-MD5",
					    "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};
	struct mailauth_request request = request_with(all, 4);
	struct mailauth *ctx = support_open("", NULL);

	request.flags = MAILAUTH_REQUEST_TLS;
	support_add(ctx, "alice", RIGHT);
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++)
		support_status(mechs[i], support_login(ctx, mechs[i], &request, "alice", RIGHT),
			       MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(copies_the_bindings)
{
	char type[] = "tls-exporter";
	uint8_t data[sizeof(exporter)];
	struct mailauth_binding binding = {.type = type, .p = data, .len = sizeof(data)};
	struct mailauth_request request = request_with(&binding, 1);
	struct support_scram scram = {.mech = plus[1],
				      .gs2 = "p=tls-exporter,,",
				      .user = "alice",
				      .password = RIGHT,
				      .nonce = "abc",
				      .binding = exporter,
				      .binding_len = sizeof(exporter)};
	struct mailauth *ctx = open_with_alice(NULL);
	struct mailauth_session *session;
	char message[1024];
	const void *reply;
	size_t len;

	memcpy(data, exporter, sizeof(data));
	support_status("new", mailauth_session_new(ctx, plus[1], &request, &session), MAILAUTH_OK);
	memset(type, 'x', strlen(type));
	memset(data, 0, sizeof(data));
	memset(&binding, 0, sizeof(binding));
	memset(&request, 0, sizeof(request));
	len = support_scram_first(&scram, message, sizeof(message));
	support_status("first", mailauth_session_step(session, message, len, &reply, &len),
		       MAILAUTH_CONTINUE);
	len = support_scram_final(&scram, reply, len, message, sizeof(message));
	support_status("last", mailauth_session_step(session, message, len, &reply, &len),
		       MAILAUTH_CONTINUE);
	support_status("end", mailauth_session_step(session, NULL, 0, &reply, &len), MAILAUTH_OK);
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refuses_bad_bindings)
{
	static const uint8_t too_long[MAILAUTH_BINDING_MAX + 1];
	static const struct mailauth_binding five[MAILAUTH_BINDINGS_MAX + 1] = {
		{"tls-exporter", exporter, 1}, {"tls-exporter", exporter, 1},
		{"tls-exporter", exporter, 1}, {"tls-exporter", exporter, 1},
		{"tls-exporter", exporter, 1},
	};
	static const struct mailauth_binding bad[][2] = {
		{{NULL, exporter, 32}},
		{{"tls-exporter", NULL, 32}},
		{{"tls-exporter", exporter, 0}},
		{{"tls-exporter", too_long, sizeof(too_long)}},
		{{"tls-exporter", too_long, SIZE_MAX}},
	};
	static const char *const names[] = {"no type", "no data", "empty", "too long",
					    "much too long"};
	struct mailauth *ctx = open_with_alice(NULL);
	struct mailauth_request request;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mailauth_binding second[2] = {all[0], bad[i][0]};

		request = request_with(bad[i], 1);
		support_status(names[i], first_answer(ctx, plus[0], &request, ""),
			       MAILAUTH_E_USAGE);
		support_status(names[i], first_answer(ctx, "SCRAM-SHA-256", &request, ""),
			       MAILAUTH_E_USAGE);
		request = request_with(second, 2);
		support_status(names[i], first_answer(ctx, plus[0], &request, ""),
			       MAILAUTH_E_USAGE);
		request = request_with(second, 1);
		support_status(names[i], first_answer(ctx, plus[0], &request, ""),
			       MAILAUTH_CONTINUE);
	}
	request = request_with(five, MAILAUTH_BINDINGS_MAX);
	support_status("most", first_answer(ctx, plus[0], &request, ""), MAILAUTH_CONTINUE);
	request = request_with(five, MAILAUTH_BINDINGS_MAX + 1);
	support_status("too many", first_answer(ctx, plus[0], &request, ""), MAILAUTH_E_USAGE);
	request = request_with(NULL, 1);
	support_status("none of one", first_answer(ctx, plus[0], &request, ""), MAILAUTH_E_USAGE);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api bindings");
	TCase *tcase = tcase_create("bindings");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, admits_with_each_binding);
	tcase_add_test(tcase, refuses_a_client_on_another_connection);
	tcase_add_test(tcase, flag_has_to_agree_with_the_offer);
	tcase_add_test(tcase, bindings_do_no_harm_to_others);
	tcase_add_test(tcase, copies_the_bindings);
	tcase_add_test(tcase, refuses_bad_bindings);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
