/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.c - an account in memory: ageing rules and credentials
 *
 * See account.h. A mail client cannot change a password, so one that must be changed refuses the
 * login, as it does wherever PAM's account stage is asked.
 */
#include "account/account.h"

void ma_account_init(struct ma_account *account)
{
	*account = (struct ma_account){
		.last_change = -1,
		.min = -1,
		.max = -1,
		.warn = -1,
		.inactive = -1,
		.expire = -1,
		.uid = MA_ID_NONE,
		.gid = MA_ID_NONE,
		.n_credentials = 1,
	};
	account->credentials[0].expires = -1;
}

static enum ma_state password_state(const struct ma_account *account, int32_t today)
{
	int64_t age;

	if (account->last_change == 0)
		return MA_STATE_MUST_CHANGE;
	if (account->last_change < 0 || account->max < 0)
		return MA_STATE_ACTIVE;
	/* Below zero after the clock was set back: a young password. */
	age = (int64_t)today - account->last_change;
	if (age <= account->max)
		return MA_STATE_ACTIVE;
	if (account->inactive >= 0 && age > (int64_t)account->max + account->inactive)
		return MA_STATE_PASSWORD_EXPIRED;
	return MA_STATE_MUST_CHANGE;
}

enum ma_state ma_account_state(const struct ma_account *account, int32_t today)
{
	if ((account->flags & MA_ACCOUNT_LOCKED) != 0)
		return MA_STATE_LOCKED;
	if (account->expire >= 0 && today >= account->expire)
		return MA_STATE_EXPIRED;
	return password_state(account, today);
}

bool ma_words_has(struct ma_span words, struct ma_span word)
{
	struct ma_span next;

	while (ma_span_take_word(&words, ",", &next))
		if (ma_span_equal(next, word))
			return true;
	return false;
}

bool ma_credential_is_usable(const struct ma_credential *credential, int32_t today,
			     struct ma_span group)
{
	if (credential->expires >= 0 && today >= credential->expires)
		return false;
	return credential->groups.len == 0 || ma_words_has(credential->groups, group);
}

const struct ma_secret *ma_credential_secret(const struct ma_credential *credential,
					     enum ma_kind_id kind)
{
	for (size_t i = 0; i < credential->n_secrets; i++)
		if (credential->secrets[i].kind == kind)
			return &credential->secrets[i];
	return NULL;
}
