/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.c - checks of decoded accounts
 *
 * See account.h.
 */
#include "account.h"

#include "account/record.h"

static bool is_inside(struct ma_span part, struct ma_span whole)
{
	return part.len == 0 || (part.p >= whole.p && part.len <= whole.len &&
				 (size_t)(part.p - whole.p) <= whole.len - part.len);
}

static void check_credential(const struct ma_credential *credential, struct ma_span plain)
{
	FUZZ_CHECK(is_inside(credential->label, plain) && credential->label.len <= UINT8_MAX);
	FUZZ_CHECK(is_inside(credential->groups, plain));
	FUZZ_CHECK(credential->n_secrets <= MA_SECRETS_MAX);
	for (size_t i = 0; i < credential->n_secrets; i++)
		FUZZ_CHECK(is_inside(credential->secrets[i].value, plain));
}

/* What others do with an account that they were handed. */
static void use(const struct ma_account *account)
{
	const struct ma_span group = ma_span_text("smtp");

	(void)ma_words_has(account->groups, group);
	for (int32_t day = -1; day < 40000; day += 20000) {
		FUZZ_CHECK(ma_account_state(account, day) != MA_STATE_UNCHECKED);
		for (size_t i = 0; i < account->n_credentials; i++)
			(void)ma_credential_is_usable(&account->credentials[i], day, group);
	}
}

void fuzz_check_account(const struct ma_account *account, struct ma_span clear,
			struct ma_span plain)
{
	FUZZ_CHECK(is_inside(account->comment, clear) && is_inside(account->home, clear) &&
		   is_inside(account->shell, clear) && is_inside(account->groups, clear) &&
		   is_inside(account->mechs, clear));
	FUZZ_CHECK(account->n_credentials >= 1 && account->n_credentials <= MA_CREDENTIALS_MAX);
	for (size_t i = 0; i < account->n_credentials; i++)
		check_credential(&account->credentials[i], plain);
	use(account);
}
