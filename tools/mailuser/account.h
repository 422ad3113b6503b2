/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.h - an account as `show` and `list` present it
 */
#ifndef MAILUSER_ACCOUNT_H
#define MAILUSER_ACCOUNT_H

#include <mailauth/admin.h>
#include <stdbool.h>

/**
 * ma_account_state() - may the account log in?
 * Return: "active", or as mailauth_user_state(); a constant
 */
const char *ma_account_state(const struct mailauth_user *user);

/**
 * ma_account_is_plus() - is it a mechanism that an account serves whenever it serves another?
 * @mech: SASL name: "SCRAM-SHA-256-PLUS"
 *
 * SCRAM with channel binding uses the secret of SCRAM without; whether it is on offer depends on
 * the server alone. So it is no news about an account.
 */
bool ma_account_is_plus(const char *mech);

/**
 * ma_account_print_json() - print an account as one JSON object on standard output
 * @user:   the account
 * @indent: over several lines
 *
 * The members are described in mailuser-show(8) and keep their names and meaning.
 *
 * Return: false if memory ran out
 */
bool ma_account_print_json(const struct mailauth_user *user, bool indent);

#endif
