/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.h - derive what an account lacks at the moment its password is seen and proved right
 */
#ifndef MA_CAPTURE_H
#define MA_CAPTURE_H

#include "login.h"

/*
 * After a login that succeeded by a password, while the login still holds its worker. Does nothing
 * unless the context may write and something is missing; a failure is logged, and nobody is refused
 * for it.
 */
void ma_capture_login(struct ma_login *login, struct ma_span password);

#endif
