/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sweep.c - each system call that writes fails once, or comes out short
 *
 * For each kind of change, by the library (writer.c) and by mailuser: run it once to count its
 * calls below the store's folder (interpose.c), then again and again on the same accounts, with
 * the 1st, 2nd, ... call failing. After each: the program ended by itself; if it said success the
 * change is in, else it told which file, and the accounts are as before or all of the change is in;
 * every account opens; the same command, run again, succeeds, and leaves no file that was not
 * there. A short form takes one error for each call, the long form all of them.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fault/fault.h"
#include "support.h"

#define ARGS 12

struct subject {
	const char *name;
	unsigned int step; /* of writer.c; 0: mailuser with ... */
	const char *args[ARGS];
	const char *input;
	int again; /* the exit code of mailuser where the change is in already */
};

/* mailuser runs on what the first eight changes of writer.c leave. */
#define STEPS_BEFORE 8

static const struct subject subjects[] = {
	{.name = "library: init", .step = CYCLE},
	{.name = "library: add", .step = 1},
	{.name = "library: batch", .step = 2},
	{.name = "library: update", .step = 3},
	{.name = "library: rename", .step = 4},
	{.name = "library: capture in a login", .step = 6},
	{.name = "library: del", .step = 7},
	{.name = "library: rekey, prepare", .step = 8},
	{.name = "library: rekey, seal", .step = 9},
	{.name = "library: rekey, prune", .step = 10},
	{.name = "add",
	 .args = {"add", "--stdin", "-c", "ann", "ann"},
	 .input = "ann\n",
	 .again = 9},
	{.name = "passwd", .args = {"passwd", "--stdin", "many126"}, .input = "2\n"},
	{.name = "mod", .args = {"mod", "-c", "new", "many126"}},
	{.name = "mod --login", .args = {"mod", "-l", "renamed", "many128"}, .again = 6},
	{.name = "chage", .args = {"chage", "-M", "90", "many126"}},
	{.name = "del", .args = {"del", "many128"}, .again = 6},
	{.name = "chpasswd", .args = {"chpasswd"}, .input = "many130:2\nmany131:2\n"},
	{.name = "newusers",
	 .args = {"newusers", "-M"},
	 .input = "neil:neil:::neil::\nnora:nora:::nora::\n",
	 .again = 9},
	{.name = "import", .args = {"import", "dovecot", "passwd"}, .again = 1},
	{.name = "rekey --prepare", .args = {"rekey", "--prepare"}},
	{.name = "rekey", .args = {"rekey"}},
	{.name = "rekey --prune", .args = {"rekey", "--prune"}},
	{.name = "store copy", .args = {"store", "copy", "work/copy.mdb"}, .again = 9},
};

static const char *const errors[] = {"ENOSPC", "EIO", "EINTR", "EOPNOTSUPP", "KILL", "SHORT"};

#define N_SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))
#define N_ERRORS   (sizeof(errors) / sizeof(errors[0]))

struct outcome {
	int code; /* -1: killed by a signal */
	char said[4096];
};

/* What the subjects run with. */
static char folder[256];
static char config[256];
static char work[256];
static char base[256];
static char calls[256];

/* ---- folders ---- */

static void remove_files(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	ck_assert_ptr_nonnull(dir);
	for (entry = readdir(dir); entry != NULL; entry = readdir(dir))
		if (entry->d_name[0] != '.')
			ck_assert_int_eq(unlinkat(dirfd(dir), entry->d_name, 0), 0);
	(void)closedir(dir);
}

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	ck_assert_int_ge(in, 0);
	ck_assert_int_ge(out, 0);
	for (n = read(in, bytes, sizeof(bytes)); n > 0; n = read(in, bytes, sizeof(bytes)))
		ck_assert_int_eq(write(out, bytes, (size_t)n), n);
	(void)close(in);
	(void)close(out);
}

static void copy_files(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	const struct dirent *entry;
	char source[600];
	char target[600];

	ck_assert_ptr_nonnull(dir);
	remove_files(to);
	for (entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
		(void)snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
		copy_file(source, target);
	}
	(void)closedir(dir);
}

/* Files in the folder that belong to nothing. */
static size_t count_strangers(void)
{
	static const char *const known[] = {"accounts.mdb", "accounts.mdb-lock", "store.key",
					    "copy.mdb", "copy.mdb-lock"};
	DIR *dir = opendir(work);
	const struct dirent *entry;
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	for (entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		bool is_known = entry->d_name[0] == '.';

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			is_known |= strcmp(entry->d_name, known[i]) == 0;
		n += !is_known;
	}
	(void)closedir(dir);
	return n;
}

static char *dump(const char *store)
{
	struct mailauth_options options = {
		.size = sizeof(options), .config = config, .store = store};

	return fault_dump(&options);
}

/* ---- running ---- */

static void set_environment(size_t at, const char *error)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%zu", at);
	(void)setenv("FAULT_FOLDER", work, 1);
	(void)setenv("FAULT_AT", text, 1);
	(void)setenv("FAULT_ERROR", error, 1);
	(void)setenv("FAULT_LOG", calls, 1);
	(void)setenv("LD_PRELOAD", getenv("MAILAUTH_INTERPOSE"), 1);
}

static void become(const struct subject *subject)
{
	const char *program = getenv(subject->step != 0 ? "MAILAUTH_WRITER" : "MAILAUTH_MAILUSER");
	char first[16];
	char last[16];
	union {
		const char *const *in;
		char *const *out;
	} argv;
	const char *words[ARGS + 4] = {program, config, first, last};

	(void)snprintf(first, sizeof(first), "%u", subject->step % CYCLE);
	(void)snprintf(last, sizeof(last), "%u", subject->step % CYCLE + 1);
	if (subject->step == 0) {
		words[1] = "--config";
		words[2] = config;
		memcpy(&words[3], subject->args, sizeof(subject->args));
	}
	argv.in = words;
	if (chdir(folder) != 0)
		_exit(127);
	(void)execv(program, argv.out);
	_exit(127);
}

static void collect(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	for (n = 1; n > 0 && len + 1 < size; len += n > 0 ? (size_t)n : 0)
		n = read(fd, text + len, size - 1 - len);
	text[len] = '\0';
	(void)close(fd);
}

/* With the call @at failing; 0: none. */
static struct outcome run(const struct subject *subject, size_t at, const char *error)
{
	const char *input = subject->input != NULL ? subject->input : "";
	struct outcome outcome;
	int in[2];
	int err[2];
	int status;
	pid_t child;

	(void)unlink(calls);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	ck_assert_int_eq(write(in[1], input, strlen(input)), (ssize_t)strlen(input));
	(void)close(in[1]);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(err[1], STDERR_FILENO);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		set_environment(at, error);
		become(subject);
	}
	(void)close(in[0]);
	(void)close(err[1]);
	collect(err[0], outcome.said, sizeof(outcome.said));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return outcome;
}

static size_t count_calls(void)
{
	FILE *file = fopen(calls, "re");
	char line[1024];
	size_t n = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		n++;
	if (file != NULL)
		(void)fclose(file);
	return n;
}

/* The line of the log that tells of call @at; for messages. */
static const char *call_at(size_t at)
{
	static char line[1024];
	FILE *file = fopen(calls, "re");

	line[0] = '\0';
	for (size_t i = 0; file != NULL && i < at; i++)
		if (fgets(line, sizeof(line), file) == NULL)
			break;
	if (file != NULL)
		(void)fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* ---- the sweep ---- */

/* The sweep of one subject. */
struct sweep {
	const struct subject *subject;
	char *before;
	char *after;
	size_t n_faults;
	size_t n_survived;  /* said success */
	size_t n_in_anyway; /* said failure, but all of the change is in */
	size_t n_left;	    /* left a file that the next run removed, or will not be missed */
};

static bool is_same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void begin(struct sweep *sweep)
{
	struct subject steps = {.name = "steps"};
	unsigned int n = sweep->subject->step != 0 ? sweep->subject->step % CYCLE : STEPS_BEFORE;

	remove_files(work);
	for (steps.step = CYCLE; steps.step < CYCLE + n; steps.step++) {
		struct outcome outcome = run(&steps, 0, "EIO");

		ck_assert_msg(outcome.code == 0, "step %u: %s", steps.step, outcome.said);
	}
	copy_files(work, base);
	sweep->before = n > 0 ? dump(NULL) : strdup("");
	ck_assert_ptr_nonnull(sweep->before);
}

static size_t count_run(struct sweep *sweep, const char *error)
{
	struct outcome outcome;

	copy_files(base, work);
	outcome = run(sweep->subject, 0, error);
	ck_assert_msg(outcome.code == 0, "without a fault: %d %s", outcome.code, outcome.said);
	free(sweep->after);
	sweep->after = dump(NULL);
	ck_assert_ptr_nonnull(sweep->after);
	ck_assert_uint_eq(count_strangers(), 0);
	return count_calls();
}

/* A store that init did not get to make is no store yet. */
static char *dump_left(const struct sweep *sweep)
{
	char *left = dump(NULL);

	if (left == NULL && sweep->before[0] == '\0')
		return strdup("");
	return left;
}

static void check_copy(const struct sweep *sweep, const char *where)
{
	char url[300];
	char *copy;

	if (strcmp(sweep->subject->name, "store copy") != 0)
		return;
	(void)snprintf(url, sizeof(url), "lmdb:%s/copy.mdb", work);
	copy = dump(url);
	ck_assert_msg(is_same(copy, sweep->before), "%s: the copy is not whole", where);
	free(copy);
}

/* The same again, without a fault. */
static void repeat(struct sweep *sweep, const char *where, bool is_in)
{
	struct outcome again = run(sweep->subject, 0, "EIO");
	char *now = dump(NULL);

	ck_assert_msg(again.code == 0 || (is_in && again.code == sweep->subject->again) ||
			      (is_in && sweep->subject->step != 0 && again.code == 1),
		      "%s; run again: %d %s", where, again.code, again.said);
	ck_assert_msg(is_in ? now != NULL : is_same(now, sweep->after), "%s; run again: got\n%s",
		      where, now != NULL ? now : "nothing");
	check_copy(sweep, where);
	ck_assert_msg(count_strangers() == 0, "%s: a file is left after the next run", where);
	free(now);
}

static void fail_one(struct sweep *sweep, size_t at, const char *error)
{
	struct outcome outcome;
	char where[1400];
	char *left;
	bool is_killed = strcmp(error, "KILL") == 0;
	bool is_in;

	copy_files(base, work);
	outcome = run(sweep->subject, at, error);
	(void)snprintf(where, sizeof(where), "%s: %s at call %s", sweep->subject->name, error,
		       call_at(at));
	left = dump_left(sweep);
	is_in = is_same(left, sweep->after);
	sweep->n_faults++;
	sweep->n_left += count_strangers() > 0;
	ck_assert_msg((outcome.code >= 0 && outcome.code < LOGIN_REFUSED) ||
			      (is_killed && outcome.code == -1),
		      "%s: code %d %s", where, outcome.code, outcome.said);
	ck_assert_msg(is_in || is_same(left, sweep->before), "%s: left\n%s", where,
		      left != NULL ? left : "nothing that opens");
	if (outcome.code == 0) {
		ck_assert_msg(is_in, "%s: success, but not in", where);
		check_copy(sweep, where);
		sweep->n_survived++;
	} else {
		ck_assert_msg(is_killed || strstr(outcome.said, work) != NULL,
			      "%s: names no file: %s", where, outcome.said);
		sweep->n_in_anyway += is_in && !is_same(left, sweep->before);
		repeat(sweep, where, is_in);
	}
	free(left);
}

START_TEST(one_failing_call_loses_nothing)
{
	struct sweep sweep = {.subject = &subjects[_i]};
	size_t stride = support_rounds(N_ERRORS, 1);
	size_t n_calls = 0;

	begin(&sweep);
	for (size_t e = 0; e < N_ERRORS; e++) {
		n_calls = count_run(&sweep, errors[e]);
		ck_assert_uint_gt(n_calls, 0);
		/* Short writes are few. */
		for (size_t at = 1; at <= n_calls; at++)
			if (e + 1 == N_ERRORS || at % stride == e % stride)
				fail_one(&sweep, at, errors[e]);
	}
	printf("# %s: %zu faults; %zu survived, %zu reported though all was in, %zu left a file "
	       "for the next run to remove\n",
	       sweep.subject->name, sweep.n_faults, sweep.n_survived, sweep.n_in_anyway,
	       sweep.n_left);
	(void)fflush(stdout);
	free(sweep.before);
	free(sweep.after);
}
END_TEST

static void prepare(void)
{
	static const char form[] = "store = lmdb:%s/accounts.mdb\nkey_file = %s/store.key\n"
				   "default_realm = example.org\nmap_size = 16M\n"
				   "mechanisms = PLAIN CRAM-MD5\nstore_timeout = 2 s\n";
	static const char imported[] = "ida:{PLAIN}ida::::::\n";
	char text[1024];
	int len;

	(void)snprintf(folder, sizeof(folder), "%s", support_folder());
	(void)snprintf(work, sizeof(work), "%s", support_path("work"));
	(void)snprintf(base, sizeof(base), "%s", support_path("base"));
	(void)snprintf(calls, sizeof(calls), "%s", support_path("calls"));
	len = snprintf(text, sizeof(text), form, work, work);
	(void)snprintf(config, sizeof(config), "%s",
		       support_file("mailauth.conf", text, (size_t)len));
	(void)support_file("passwd", imported, sizeof(imported) - 1);
	(void)mkdir(work, 0700);
	(void)mkdir(base, 0700);
}

int main(void)
{
	Suite *suite = suite_create("fault sweep");
	TCase *tcase = tcase_create("sweep");
	size_t n = 0;

	/* Nothing here depends on a disk that is one. */
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
	tcase_set_timeout(tcase, 280);
	tcase_add_checked_fixture(tcase, prepare, NULL);
	while (n < N_SUBJECTS && (subjects[n].step != 0 || getenv("MAILAUTH_MAILUSER") != NULL))
		n++;
	tcase_add_loop_test(tcase, one_failing_call_loses_nothing, 0, (int)n);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
