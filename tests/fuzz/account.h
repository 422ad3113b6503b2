/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.h - checks of decoded accounts, for the targets that decode some
 */
#ifndef MA_TESTS_FUZZ_ACCOUNT_H
#define MA_TESTS_FUZZ_ACCOUNT_H

#include "account/account.h"
#include "fuzz.h"

/* All spans lie in @clear or @plain, all counts below their maximum. */
void fuzz_check_account(const struct ma_account *account, struct ma_span clear,
			struct ma_span plain);

#endif
