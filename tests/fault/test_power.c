/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_power.c - the power fails at any moment of a writer's life
 *
 * A program makes some hundred acknowledged changes, the making of the store and the changes of its
 * key among them, while interpose.c records what it writes. Then, for each prefix of the record,
 * the files are built as a disk may hold them: what was synced is there; of what was written since,
 * all, nothing, or any of its sectors, chosen with a fixed seed; of the names that changed since
 * their folder was synced, the first few. In what results the library must find the accounts as
 * they were after the last change that was acknowledged, or after the one that was going on.
 *
 * Names change in the order in which they were changed, as with a journal; sectors of 512 bytes are
 * written whole. The lock file holds noise, because nothing in it outlives its programs.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fault/fault.h"
#include "support.h"

#define SECTOR	  512
#define FILES_MAX 256 /* that were ever made */
#define CHANGES	  (CYCLE * 10)
#define TORN	  2 /* random states for each prefix, ... */
#define TORN_FULL 6
#define EVERY	  13 /* ... and in the short form only for one prefix of so many */
#define MAKING	  40 /* events, at least, that make the store */
#define NEVER	  SIZE_MAX

/* What mailuser does when the changes are made, and what is typed. */
static const char *const commands[][6] = {
	{"ann\n", "add", "--stdin", "-c", "ann", "ann"},
	{"bob\n", "passwd", "--stdin", "ann"},
	{"", "mod", "-l", "bob", "ann"},
	{"many130:2\nmany131:2\n", "chpasswd"},
	{"", "rekey", "--prepare"},
	{"", "rekey"},
	{"", "rekey", "--prune"},
	{"neil:neil:::neil::\nnora:nora:::nora::\n", "newusers", "-M"},
	{"", "chage", "-M", "90", "nora"},
	{"", "del", "neil"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

#define NAMELESS   " (deleted)" /* what the kernel calls a file without a name */

/* An event, and where it leads. */
struct entry {
	struct event event;
	const char *path;
	const uint8_t *data;
	size_t file;   /* the number of the file it made or wrote to */
	size_t synced; /* the event from which on it is on disk; NEVER */
};

struct file {
	uint8_t *bytes;
	size_t len;
	char name[128]; /* empty: none any more */
};

enum fate { ALL, NOTHING, TEAR };

static uint8_t *record;
static struct entry *entries;
static size_t n_entries;
static size_t n_files;
static char folder[200];
static char live[256];
static char config[256];
static char *snapshots[CHANGES + N_COMMANDS + 2];
static size_t n_changes;

/* ---- reading the record ---- */

static uint8_t *read_all(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	uint8_t *bytes;

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(fstat(fileno(file), &st), 0);
	bytes = calloc(1, (size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(bytes);
	*len_out = fread(bytes, 1, (size_t)st.st_size, file);
	ck_assert_uint_eq(*len_out, (size_t)st.st_size);
	(void)fclose(file);
	return bytes;
}

/* The newest file with this inode: numbers are used again. */
static size_t file_of(size_t i)
{
	for (size_t j = i; j > 0; j--)
		if (entries[j - 1].event.type == EVENT_CREATE &&
		    entries[j - 1].event.inode == entries[i].event.inode)
			return entries[j - 1].file;
	ck_abort_msg("event %zu is of a file that nobody made: %s", i, entries[i].path);
}

static bool is_of_names(const struct entry *entry)
{
	return entry->event.type == EVENT_CREATE || entry->event.type == EVENT_RENAME ||
	       entry->event.type == EVENT_LINK || entry->event.type == EVENT_UNLINK;
}

static bool is_of_bytes(const struct entry *entry)
{
	return entry->event.type == EVENT_WRITE || entry->event.type == EVENT_WRITE_DSYNC ||
	       entry->event.type == EVENT_TRUNCATE;
}

/* When what event @i did came to the disk. There is one folder. */
static size_t find_sync(size_t i)
{
	const struct entry *entry = &entries[i];

	if (entry->event.type == EVENT_WRITE_DSYNC)
		return i;
	for (size_t j = i + 1; j < n_entries; j++) {
		if (is_of_names(entry) && entries[j].event.type == EVENT_SYNC_FOLDER)
			return j;
		if (is_of_bytes(entry) && entries[j].event.type == EVENT_SYNC &&
		    entries[j].file == entry->file)
			return j;
	}
	return NEVER;
}

static void read_record(const char *path)
{
	size_t len;
	size_t at = 0;

	record = read_all(path, &len);
	entries = calloc(len / sizeof(struct event) + 1, sizeof(*entries));
	ck_assert_ptr_nonnull(entries);
	while (at < len) {
		struct entry *entry = &entries[n_entries];

		memcpy(&entry->event, record + at, sizeof(entry->event));
		entry->path = (const char *)record + at + sizeof(entry->event);
		entry->data = record + at + sizeof(entry->event) + entry->event.path_len;
		at += sizeof(entry->event) + entry->event.path_len + entry->event.data_len;
		if (entry->event.type == EVENT_CREATE)
			entry->file = n_files++;
		else if (is_of_bytes(entry) || entry->event.type == EVENT_SYNC)
			entry->file = file_of(n_entries);
		n_entries++;
	}
	ck_assert_uint_le(n_files, FILES_MAX);
	for (size_t i = 0; i < n_entries; i++)
		entries[i].synced = find_sync(i);
}

/* ---- building what is on disk ---- */

static void put_bytes(struct file *file, uint64_t at, const uint8_t *bytes, size_t len)
{
	if (at + len > file->len) {
		file->bytes = realloc(file->bytes, at + len);
		ck_assert_ptr_nonnull(file->bytes);
		memset(file->bytes + file->len, 0, at + len - file->len);
		file->len = at + len;
	}
	memcpy(file->bytes + at, bytes, len);
}

/* Any of the sectors. */
static void tear(struct file *file, uint64_t at, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		size_t part = SECTOR - at % SECTOR;

		if (part > len)
			part = len;
		if (random() % 2 == 0)
			put_bytes(file, at, bytes, part);
		at += part;
		bytes += part;
		len -= part;
	}
}

static void apply_bytes(const struct entry *entry, struct file *file, enum fate fate)
{
	if (entry->event.type == EVENT_TRUNCATE && entry->event.offset < file->len)
		file->len = entry->event.offset;
	else if (entry->event.type == EVENT_TRUNCATE)
		put_bytes(file, entry->event.offset, NULL, 0);
	else if (fate == TEAR)
		tear(file, entry->event.offset, entry->data, entry->event.data_len);
	else
		put_bytes(file, entry->event.offset, entry->data, entry->event.data_len);
}

static struct file *named(struct file *files, const char *path)
{
	for (size_t i = 0; i < n_files; i++)
		if (strcmp(files[i].name, path + strlen(live)) == 0)
			return &files[i];
	return NULL;
}

static void apply_name(const struct entry *entry, struct file *files)
{
	struct file *from = named(files, entry->path);
	const char *to = (const char *)entry->data;
	struct file *old;

	switch (entry->event.type) {
	case EVENT_CREATE:
		from = &files[entry->file];
		to = entry->path;
		break;
	case EVENT_UNLINK:
		to = NULL;
		break;
	default:
		break;
	}
	/* A second name would be one too many for this; nothing makes one. */
	ck_assert_int_ne((int)entry->event.type, EVENT_LINK);
	ck_assert_ptr_nonnull(from);
	old = to != NULL ? named(files, to) : NULL;
	if (old != NULL)
		old->name[0] = '\0';
	(void)snprintf(from->name, sizeof(from->name), "%s", to != NULL ? to + strlen(live) : "");
}

static size_t count_loose_names(size_t n)
{
	size_t loose = 0;

	for (size_t i = 0; i < n; i++)
		loose += is_of_names(&entries[i]) && entries[i].synced >= n;
	return loose;
}

/* The files after the first @n events. */
static void build(size_t n, enum fate fate, struct file *files)
{
	size_t loose = count_loose_names(n);
	size_t kept = fate == ALL ? loose : fate == NOTHING ? 0 : (size_t)random() % (loose + 1);

	for (size_t i = 0; i < n; i++) {
		const struct entry *entry = &entries[i];
		bool is_safe = entry->synced < n;

		if (is_of_bytes(entry) && (is_safe || fate != NOTHING))
			apply_bytes(entry, &files[entry->file], is_safe ? ALL : fate);
		else if (is_of_names(entry) && (is_safe || kept > 0)) {
			kept -= !is_safe;
			apply_name(entry, files);
		}
	}
}

static void put_file(const struct file *file)
{
	static const char lock[] = "-lock";
	size_t name_len = strlen(file->name);
	char path[512];
	uint8_t noise[9000];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/state%s", folder, file->name);
	out = fopen(path, "we");
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(fchmod(fileno(out), 0600), 0);
	if (name_len > strlen(lock) && strcmp(file->name + name_len - strlen(lock), lock) == 0) {
		memset(noise, (int)random(), sizeof(noise));
		ck_assert_uint_eq(fwrite(noise, 1, sizeof(noise), out), sizeof(noise));
	} else if (file->len > 0) {
		ck_assert_uint_eq(fwrite(file->bytes, 1, file->len, out), file->len);
	}
	ck_assert_int_eq(fclose(out), 0);
}

static void forget_state(void)
{
	static const char *const names[] = {"accounts.mdb", "accounts.mdb-lock", "store.key"};
	char path[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/state/%s", folder, names[i]);
		(void)unlink(path);
	}
}

/* ---- looking at it ---- */

static size_t last_mark(size_t n)
{
	while (n > 0 && entries[n - 1].event.type != EVENT_MARK)
		n--;
	return n > 0 ? entries[n - 1].event.offset : 0;
}

static void to_text(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	(void)level;
	(void)event;
	(void)snprintf(arg, 512, "%s", text);
}

static void check_state(size_t n, enum fate fate)
{
	static const char *const fates[] = {"all", "nothing", "parts"};
	size_t mark = last_mark(n);
	char said[512] = "";
	struct mailauth_options options = {
		.size = sizeof(options), .config = config, .log = to_text, .log_arg = said};
	char *found;

	/* Where it was not yet made, making it must succeed, whatever is there. */
	if (mark == 0)
		ck_assert_msg(mailauth_store_init(&options, (gid_t)-1) == MAILAUTH_OK,
			      "event %zu, %s: init again: %s", n, fates[fate], said);
	found = fault_dump(&options);
	ck_assert_msg(found != NULL, "event %zu of %zu, %s of what was not synced: %s", n,
		      n_entries, fates[fate], said);
	if (strcmp(found, snapshots[mark]) != 0 &&
	    (snapshots[mark + 1] == NULL || strcmp(found, snapshots[mark + 1]) != 0))
		ck_abort_msg("event %zu, %s: after %zu acknowledged changes there is\n%s", n,
			     fates[fate], mark, found);
	free(found);
}

/* The tree of pages and every record. */
static void check_store(void)
{
	struct mailauth_options options = {.size = sizeof(options), .config = config};
	struct mailauth *ctx;
	uint64_t n_good;
	uint64_t n_damaged;

	ck_assert_int_eq(mailauth_open(&options, &ctx), MAILAUTH_OK);
	ck_assert_int_eq(mailauth_store_check(ctx, &n_good, &n_damaged), MAILAUTH_OK);
	ck_assert_uint_eq(n_damaged, 0);
	mailauth_free(&ctx);
}

static void cut(size_t n, enum fate fate)
{
	struct file files[FILES_MAX] = {{.len = 0}};

	build(n, fate, files);
	forget_state();
	for (size_t i = 0; i < n_files; i++) {
		/* What a program that was cut off left beside is in nobody's way. */
		if (files[i].name[0] != '\0' && strstr(files[i].name, NAMELESS) == NULL)
			put_file(&files[i]);
		free(files[i].bytes);
	}
	check_state(n, fate);
	check_store();
}

/* ---- the writer ---- */

static const char *write_config(const char *name, const char *store)
{
	static const char form[] = "store = lmdb:%s/%s/accounts.mdb\nkey_file = %s/%s/store.key\n"
				   "default_realm = example.org\nmap_size = 16M\n"
				   "mechanisms = PLAIN CRAM-MD5\n";
	char text[1024];
	int len = snprintf(text, sizeof(text), form, folder, store, folder, store);

	return support_file(name, text, (size_t)len);
}

static void run_writer(const char *record_path)
{
	const char *program = getenv("MAILAUTH_WRITER");
	const char *path = write_config("live.conf", "live");
	char last[16];
	char shots[256];
	int status;
	pid_t child;

	(void)snprintf(last, sizeof(last), "%d", CHANGES);
	(void)snprintf(shots, sizeof(shots), "%s/shots", folder);
	ck_assert_int_eq(mkdir(shots, 0700), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)setenv("FAULT_FOLDER", live, 1);
		(void)setenv("FAULT_RECORD", record_path, 1);
		(void)setenv("LD_PRELOAD", getenv("MAILAUTH_INTERPOSE"), 1);
		(void)execl(program, program, path, "0", last, shots, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(status == 0, "the writer ended with %x", (unsigned int)status);
}

static void run_command(const char *path, const char *const *command)
{
	const char *program = getenv("MAILAUTH_MAILUSER");
	const char *words[16] = {program, "--config", path};
	union {
		const char *const *in;
		char *const *out;
	} argv = {.in = words};
	int in[2];
	int status;
	pid_t child;

	memcpy(&words[3], command + 1, sizeof(commands[0]) - sizeof(commands[0][0]));
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(write(in[1], command[0], strlen(command[0])), (ssize_t)strlen(command[0]));
	(void)close(in[1]);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		(void)setenv("LD_PRELOAD", getenv("MAILAUTH_INTERPOSE"), 1);
		(void)execv(program, argv.out);
		_exit(127);
	}
	(void)close(in[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(status == 0, "mailuser %s ended with %x", command[1], (unsigned int)status);
}

/* Each is acknowledged when it has ended. */
static void run_commands(const char *record_path)
{
	const char *path = write_config("live.conf", "live");
	struct mailauth_options options = {.size = sizeof(options), .config = path};

	(void)setenv("FAULT_FOLDER", live, 1);
	(void)setenv("FAULT_RECORD", record_path, 1);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		run_command(path, commands[i]);
		snapshots[++n_changes] = fault_dump(&options);
		ck_assert_ptr_nonnull(snapshots[n_changes]);
		fault_mark(n_changes);
	}
}

static void read_snapshots(void)
{
	char path[300];
	size_t len;

	snapshots[0] = strdup("");
	for (size_t i = 1; i <= CHANGES; i++) {
		(void)snprintf(path, sizeof(path), "%s/shots/%zu", folder, i);
		snapshots[i] = (char *)read_all(path, &len);
	}
	n_changes = CHANGES;
}

static void prepare(void)
{
	char path[256];

	(void)snprintf(folder, sizeof(folder), "%s", support_folder());
	(void)snprintf(live, sizeof(live), "%s/live", folder);
	(void)snprintf(path, sizeof(path), "%s/state", folder);
	ck_assert_int_eq(mkdir(live, 0700), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/record", folder);
	run_writer(path);
	(void)snprintf(config, sizeof(config), "%s", write_config("state.conf", "state"));
	read_snapshots();
	if (getenv("MAILAUTH_MAILUSER") != NULL)
		run_commands(path);
	read_record(path);
}

static void clear(void)
{
	for (size_t i = 0; i <= n_changes; i++)
		free(snapshots[i]);
	free(entries);
	free(record);
}

START_TEST(power_cut_keeps_what_was_acknowledged)
{
	size_t stride = support_rounds(EVERY, 1);
	size_t torn = support_rounds(TORN, TORN_FULL);
	size_t n_states = 0;

	prepare();
	srandom(1);
	ck_assert_uint_eq(last_mark(n_entries), n_changes);
	/* While the store is made, every moment is another. */
	for (size_t n = 0; n <= n_entries; n += n < MAKING ? 1 : stride) {
		cut(n, ALL);
		cut(n, NOTHING);
		for (size_t i = 0; i < torn; i++)
			cut(n, TEAR);
		n_states += 2 + torn;
	}
	printf("# %zu changes, %zu events, %zu states of the disk\n", n_changes, n_entries,
	       n_states);
	(void)fflush(stdout);
	clear();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fault power");
	TCase *tcase = tcase_create("power");

	/* What reached the disk is told by the record. */
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
	tcase_set_timeout(tcase, 280);
	tcase_add_test(tcase, power_cut_keeps_what_was_acknowledged);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
