/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.h - make files that outlast a loss of power
 *
 * For the key file and the store, which have to be whole or not there.
 */
#ifndef MA_UTIL_FILE_H
#define MA_UTIL_FILE_H

#include "util/base.h"
#include "util/span.h"

#include <sys/types.h>

/*
 * Makes a file with this content, mode and group and brings it and its entry in the folder to disk.
 * 0 or an errno; EEXIST: it was there and is left alone. After another failure it is not there.
 * @group: (gid_t)-1 for the caller's own.
 */
MA_MUST_CHECK int ma_file_create(const char *path, mode_t mode, gid_t group,
				 struct ma_span content);
/*
 * Puts this content in the place of a file's, of which group and mode stay. 0 or an errno;
 * after a failure the file is as it was, unless only its folder could not be brought to disk. Only
 * one program may try at a time. Writes to @path.new, which a kill leaves until the next time.
 */
MA_MUST_CHECK int ma_file_replace(const char *path, struct ma_span content);

#endif
