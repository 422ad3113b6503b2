/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.h - what interpose.c records of a program's writing, for power.c to replay
 *
 * A file of events; behind each its path and its data. A mark is put there by whoever runs the
 * program: what went before it was acknowledged.
 */
#ifndef MA_TESTS_FAULT_RECORD_H
#define MA_TESTS_FAULT_RECORD_H

#include <stdint.h>

enum event_type {
	EVENT_CREATE = 1,  /* a new file @inode under @path */
	EVENT_WRITE,	   /* data at @offset of @inode */
	EVENT_WRITE_DSYNC, /* the same, and on disk when the call returned */
	EVENT_TRUNCATE,	   /* @inode is @offset long */
	EVENT_SYNC,	   /* of @inode */
	EVENT_SYNC_FOLDER, /* of @path */
	EVENT_RENAME,	   /* @path to data */
	EVENT_LINK,	   /* @path to data */
	EVENT_UNLINK,
	EVENT_MARK, /* @offset: a number, 1 and up */
};

struct event {
	uint32_t type;
	uint32_t path_len; /* NUL included, as in data that is a path */
	uint64_t inode;
	uint64_t offset;
	uint64_t data_len;
};

#endif
