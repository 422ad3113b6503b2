/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.c - every allocation of a process, counted and made to fail
 *
 * See heap.h. A symbol of the program itself goes before that of any library, so defining malloc()
 * here is enough; glibc's own is behind __libc_malloc(). glibc calls what it needs itself, strdup()
 * and fopen(), through the same symbols. Noted blocks stand in a hash table; one thread notes, any
 * may free.
 */
#include "heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACES	(1u << 16) /* a power of two; the most that a scenario has at once is 10,000 */
#define COUNTED (1u << 16)
#define DEPTH	48
#define SITES	16 /* a scenario has few */

/* glibc's */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

struct trace {
	int n;
	void *frames[DEPTH];
};

/* A block that was allocated since heap_begin(). */
struct note {
	const void *p;
	size_t size;
	struct trace trace;
};

static struct note notes[PLACES];
static size_t n_notes;
static atomic_flag lock = ATOMIC_FLAG_INIT;
static bool traces;

static _Thread_local bool is_noting;
static _Thread_local bool is_inside;
static _Thread_local bool is_looking; /* backtrace() allocates when it is first called */

static struct {
	const char *what;
	size_t nth;
	size_t n;
	bool and_all;
	bool is_over;
	struct trace trace;
	const void *sites[SITES]; /* calls of a leaky library in which it failed */
	size_t n_sites;
} failure;

/* ---- notes ---- */

static size_t place_of(const void *p)
{
	return (size_t)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15u >> 40) % PLACES;
}

/* The place of @p, or the free one where it would be. */
static struct note *find(const void *p)
{
	size_t i = place_of(p);

	while (notes[i].p != NULL && notes[i].p != p)
		i = (i + 1) % PLACES;
	return &notes[i];
}

static void look(struct trace *trace)
{
	is_looking = true;
	trace->n = backtrace(trace->frames, DEPTH);
	is_looking = false;
}

static void take_lock(void)
{
	while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
		;
}

static void give_lock(void)
{
	atomic_flag_clear_explicit(&lock, memory_order_release);
}

static void *noted(void *p, size_t size)
{
	struct note *note;

	if (p == NULL || !is_noting || is_looking)
		return p;
	take_lock();
	if (n_notes >= PLACES / 2)
		abort();
	note = find(p);
	*note = (struct note){.p = p, .size = size};
	n_notes++;
	if (traces)
		look(&note->trace);
	give_lock();
	return p;
}

/* Takes it out, if it is there, and moves up those behind it that would not be found any more. */
static bool forget(const void *p)
{
	struct note *note;
	bool was_noted;
	size_t i;

	take_lock();
	note = n_notes > 0 ? find(p) : NULL;
	was_noted = note != NULL && note->p == p;
	if (was_noted) {
		note->p = NULL;
		n_notes--;
		i = (size_t)(note - notes);
		for (i = (i + 1) % PLACES; notes[i].p != NULL; i = (i + 1) % PLACES) {
			struct note moved = notes[i];

			notes[i].p = NULL;
			*find(moved.p) = moved;
		}
	}
	give_lock();
	return was_noted;
}

/* ---- libraries ---- */

/*
 * What a library loses itself, in a call that it could not make for lack of memory, is not ours to
 * mend:
 *
 * libcrypto   OpenSSL 3.0: OSSL_LIB_CTX_new() and OSSL_PROVIDER_load() where they fail
 * libpam      Linux-PAM 1.5: a module's entry whose path could not be composed
 * libsasl2    2.1.28: the first part of a line for the log that could not grow
 */
static const char *const leaky[] = {"/libcrypto.so", "/libpam.so", "/libsasl2.so"};

/* Much faster than dladdr(), which looks for the symbol, too. */
static const char *file_of(const void *address)
{
	union {
		const void *in;
		void *out;
	} place = {.in = address};
	struct dl_find_object found;

	return _dl_find_object(place.out, &found) == 0 ? found.dlfo_link_map->l_name : "?";
}

static bool is_leaky(const char *file)
{
	for (size_t i = 0; i < sizeof(leaky) / sizeof(leaky[0]); i++)
		if (strstr(file, leaky[i]) != NULL)
			return true;
	return false;
}

/* Where one of these was called, if it is what allocated; else NULL. */
static const void *leaky_site(const struct trace *trace)
{
	const char *own = file_of(trace->frames[0]);
	const char *library = NULL;

	for (int i = 0; i < trace->n; i++) {
		const char *file = file_of(trace->frames[i]);

		if (library != NULL && file != library)
			return trace->frames[i];
		if (library != NULL || file == own || strstr(file, "/libc.so") != NULL)
			continue;
		if (!is_leaky(file))
			return NULL;
		library = file;
	}
	return NULL;
}

/* Was it lost by a library in a call that it could not make for lack of memory? */
static bool is_excused(const struct note *note)
{
	const void *site = leaky_site(&note->trace);

	for (size_t i = 0; site != NULL && i < failure.n_sites; i++)
		if (failure.sites[i] == site)
			return true;
	return false;
}

static void remember_site(const struct trace *trace)
{
	const void *site = leaky_site(trace);

	if (site != NULL && failure.n_sites < SITES)
		failure.sites[failure.n_sites++] = site;
}

/* ---- failure ---- */

/*
 * Functions of libraries that cannot do without: what they allocate does not fail.
 *
 * CRYPTO_free_ex_data(): OpenSSL 3 allocates in order to free, and frees nothing where it cannot.
 * prop_clear(): libsasl2 ends the process.
 */
static bool is_spared(const struct trace *trace)
{
	static const char *const spared[] = {"CRYPTO_free_ex_data", "prop_clear"};

	for (size_t i = 0; i < sizeof(spared) / sizeof(spared[0]); i++)
		for (int k = 0; k < trace->n; k++) {
			Dl_info info;

			if (dladdr(trace->frames[k], &info) != 0 && info.dli_sname != NULL &&
			    strcmp(info.dli_sname, spared[i]) == 0)
				return true;
		}
	return false;
}

static const char *const *restricted; /* NULL: not */
static bool is_crypto[COUNTED];	      /* of the allocations when none failed: OpenSSL's own */

static bool is_in(const void *address)
{
	const char *file = file_of(address);

	for (size_t i = 0; restricted[i] != NULL; i++)
		if (strstr(file, restricted[i]) != NULL)
			return true;
	return false;
}

/* Is it by or for one of those that may fail? */
static bool is_meant(const void *caller)
{
	struct trace here;

	if (restricted == NULL || is_in(caller))
		return true;
	look(&here);
	for (int i = 0; i < here.n; i++)
		if (is_in(here.frames[i]))
			return true;
	return false;
}

/* Has the turn of this allocation come? */
static bool fails(const void *caller)
{
	struct trace here;

	if (!is_inside || is_looking || !is_meant(caller))
		return false;
	failure.n++;
	if (failure.nth == 0 && failure.n < COUNTED)
		is_crypto[failure.n] = strstr(file_of(caller), "/libcrypto.so") != NULL;
	if (failure.nth == 0 || failure.is_over ||
	    (failure.and_all ? failure.n < failure.nth : failure.n != failure.nth))
		return false;
	look(&here);
	if (is_spared(&here))
		return false;
	if (failure.trace.n == 0)
		failure.trace = here;
	if (traces)
		remember_site(&here);
	errno = ENOMEM;
	return true;
}

void heap_restrict(const char *const *files)
{
	restricted = files;
}

void heap_print_failure(void)
{
	char text[256];
	int len = snprintf(text, sizeof(text), "# %s: allocation %zu failed%s, in\n", failure.what,
			   failure.nth, failure.and_all ? " and all after it" : "");

	if (len > 0 && write(STDERR_FILENO, text, (size_t)len) == len)
		backtrace_symbols_fd(failure.trace.frames, failure.trace.n, STDERR_FILENO);
}

static void tell_of_crash(int number)
{
	struct trace here;
	static const char text[] = "# crashed, in\n";

	is_inside = false;
	is_noting = false;
	look(&here);
	heap_print_failure();
	if (write(STDERR_FILENO, text, sizeof(text) - 1) > 0)
		backtrace_symbols_fd(here.frames, here.n, STDERR_FILENO);
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

void heap_fail(const char *what, size_t nth, bool and_all)
{
	static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

	failure.what = what;
	failure.nth = nth;
	failure.and_all = and_all;
	failure.is_over = false;
	failure.n = 0;
	failure.trace.n = 0;
	failure.n_sites = 0;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)signal(numbers[i], nth > 0 ? tell_of_crash : SIG_DFL);
}

void heap_enter(void)
{
	is_inside = true;
}

void heap_leave(void)
{
	is_inside = false;
}

bool heap_pause(void)
{
	bool was_inside = is_inside;

	is_inside = false;
	return was_inside;
}

void heap_resume(bool was_inside)
{
	is_inside = was_inside;
}

void heap_relent(void)
{
	failure.is_over = true;
}

bool heap_is_crypto(size_t nth)
{
	return nth < COUNTED && is_crypto[nth];
}

size_t heap_count(void)
{
	return failure.n;
}

/* ---- the caller's ---- */

void heap_begin(bool trace)
{
	struct trace first;

	look(&first); /* loads the unwinder */
	take_lock();
	memset(notes, 0, n_notes > 0 ? sizeof(notes) : 0);
	n_notes = 0;
	traces = trace;
	give_lock();
	is_noting = true;
}

size_t heap_end(void)
{
	size_t n = n_notes;

	is_noting = false;
	for (size_t i = 0; traces && n_notes > 0 && i < PLACES; i++) {
		if (notes[i].p == NULL)
			continue;
		if (is_excused(&notes[i])) {
			n--;
			continue;
		}
		(void)fprintf(stderr, "# %zu bytes are left of\n", notes[i].size);
		backtrace_symbols_fd(notes[i].trace.frames, notes[i].trace.n, STDERR_FILENO);
	}
	return n;
}

bool heap_is_ours(void)
{
	/* Called directly, the compiler would know that malloc() changes nothing of ours. */
	void *(*volatile allocate)(size_t size) = malloc;
	const char *const *keep = restricted;
	size_t before = failure.n;

	restricted = NULL;
	heap_enter();
	free(allocate(1));
	heap_leave();
	restricted = keep;
	return failure.n > before;
}

/* ---- in the place of glibc's ---- */

#define EXPORTED __attribute__((visibility("default")))

EXPORTED void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : noted(__libc_malloc(size), size);
}

EXPORTED void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : noted(__libc_calloc(n, size), n * size);
}

EXPORTED void *realloc(void *p, size_t size)
{
	bool is_ours;
	void *moved;

	if (fails(__builtin_return_address(0)))
		return NULL;
	is_ours = p == NULL || forget(p);
	moved = __libc_realloc(p, size);
	if (!is_ours)
		return moved;
	return noted(moved, size);
}

static void *aligned(size_t alignment, size_t size, const void *caller)
{
	return fails(caller) ? NULL : noted(__libc_memalign(alignment, size), size);
}

EXPORTED void *memalign(size_t alignment, size_t size)
{
	return aligned(alignment, size, __builtin_return_address(0));
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
	return aligned(alignment, size, __builtin_return_address(0));
}

EXPORTED int posix_memalign(void **p, size_t alignment, size_t size)
{
	int keep = errno;
	void *block = aligned(alignment, size, __builtin_return_address(0));

	errno = keep;
	if (block == NULL)
		return ENOMEM;
	*p = block;
	return 0;
}

EXPORTED void free(void *p)
{
	if (p != NULL)
		(void)forget(p);
	__libc_free(p);
}
