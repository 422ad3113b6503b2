/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_store.c - is there room in the store, and on its disk?
 *
 * Damaged records are found by the walk through all accounts, in survey.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "doctor.h"

#define FULL_PERCENT 80
#define ROOM_MIN     ((uint64_t)16 * 1024 * 1024) /* bytes free on the disk */

static void look_disk(struct doctor *doctor)
{
	struct statvfs st;
	uint64_t room;

	if (doctor->store[0] == '\0' || statvfs(doctor->store, &st) != 0)
		return;
	room = (uint64_t)st.f_bavail * st.f_frsize;
	if (room < ROOM_MIN)
		ma_finding_add(
			doctor, MA_FINDING_WARNING, doctor->store,
			ma_text("its disk is full but for %" PRIu64 " KiB", room / 1024).text,
			ma_text("free some space; see 'df %s'", doctor->store).text);
}

static void run(struct doctor *doctor)
{
	struct mailauth_store_stat st = {.size = sizeof(st)};
	uint64_t percent;

	if (doctor->ctx == NULL || mailauth_store_stat(doctor->ctx, &st) != MAILAUTH_OK)
		return;
	percent = st.bytes_max < 100 ? 0 : st.bytes_used / (st.bytes_max / 100);
	if (percent >= FULL_PERCENT)
		ma_finding_add(
			doctor, MA_FINDING_WARNING, doctor->store,
			ma_text("%" PRIu64 " %% full", percent).text,
			ma_text("raise map_size in %s, then restart the servers", doctor->config)
				.text);
	if (st.n_dead > 0)
		ma_finding_add(doctor, MA_FINDING_INFO, doctor->store,
			       ma_text("%" PRIu64 " readers were left behind by programs that died",
				       st.n_dead)
				       .text,
			       "mailuser store check clears them");
	look_disk(doctor);
}

const struct check ma_check_store = {"store", run};
