/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c - find the programs that use libsasl2, and what they tell it
 *
 * What is common to all: the folders where libsasl2 looks for plugins and for NAME.conf, and the
 * options in there. Where a program keeps its own settings is known to server_postfix.c and its
 * like. libsasl2's folder of plugins is the one beside the library itself: Debian and its kin
 * install it so, under the multiarch name.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

#define SASLPASSWD "/usr/sbin/saslpasswd2"

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Beside libsasl2; it is opened for its place alone, and not initialised. */
static void find_plugins(struct doctor *doctor)
{
	void *library = dlopen("libsasl2.so.2", RTLD_LAZY | RTLD_LOCAL);
	char origin[PATH_MAX] = "";

	if (library == NULL)
		return;
	if (dlinfo(library, RTLD_DI_ORIGIN, origin) == 0 && strlen(origin) + 8 < PATH_MAX) {
		/* /lib is a link to /usr/lib, and advice should name the real one. */
		const char *usr = strncmp(origin, "/lib", 4) == 0 ? "/usr" : "";
		struct text folder = ma_text("%s%s/sasl2", usr, origin);

		if (!is_folder(folder.text))
			folder = ma_text("%s/sasl2", origin);
		(void)snprintf(doctor->plugins, sizeof(doctor->plugins), "%s", folder.text);
	}
	(void)dlclose(library);
}

struct text ma_host_name(void)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) != 0 || strchr(host, '.') == NULL)
		return ma_text("%s", "");
	return ma_text("%s", host);
}

const char *ma_server_folders(const struct doctor *doctor)
{
	static char folders[PATH_MAX + 64];

	(void)snprintf(folders, sizeof(folders), "/etc/sasl2:/etc/sasl:%s:/usr/lib/sasl2",
		       doctor->plugins[0] != '\0' ? doctor->plugins : "/usr/lib/sasl2");
	return folders;
}

enum foreign ma_server_load(struct doctor *doctor, const char *path, enum style style,
			    struct settings *settings)
{
	enum foreign result = ma_settings_load(path, style, settings);

	doctor->checking = "saslconf";
	if (result == MA_FOREIGN_DENIED)
		ma_finding_add(
			doctor, MA_FINDING_WARNING, path,
			ma_text("cannot be read (%s), so it was not looked at", strerror(errno))
				.text,
			"run 'mailuser doctor' as root");
	if (result == MA_FOREIGN_ODD)
		ma_finding_add(
			doctor, MA_FINDING_ERROR, path,
			"is no regular file, or too long, so it was not looked at",
			ma_text("put the configuration file itself there; see 'ls -l %s'", path)
				.text);
	return result;
}

void ma_server_load_sasl(struct doctor *doctor, struct server *server, const char *folders,
			 const char *name)
{
	char folder[PATH_MAX];

	for (const char *rest = folders; ma_word_next(&rest, folder, sizeof(folder));) {
		struct text path = ma_text("%s/%s.conf", folder, name);
		enum foreign result =
			ma_server_load(doctor, path.text, MA_STYLE_SASL, &server->sasl);

		if (result == MA_FOREIGN_MISSING && server->conf[0] != '\0')
			continue;
		/* Where none is found, the first folder is where it belongs. */
		(void)snprintf(server->conf, sizeof(server->conf), "%s", path.text);
		server->has_conf = result == MA_FOREIGN_READ;
		server->is_unseen = result != MA_FOREIGN_READ && result != MA_FOREIGN_MISSING;
		if (result != MA_FOREIGN_MISSING)
			return;
	}
}

const char *ma_server_option(const struct server *server, const char *name)
{
	const char *value =
		ma_settings_get(&server->sasl, ma_text("%s%s", server->prefix, name).text);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

bool ma_server_asks(const struct server *server)
{
	return ma_word_in(ma_server_option(server, "auxprop_plugin"), "mailauth") ||
	       ma_server_option(server, "mailauth_mechs") != NULL;
}

bool ma_server_is_own(const struct server *server, const char *mech)
{
	return ma_word_in(ma_server_option(server, "mailauth_mechs"), ma_mechs_base(mech).text);
}

bool ma_server_checks_with(const struct server *server, const char *method)
{
	const char *methods = ma_server_option(server, "pwcheck_method");

	return ma_word_in(methods != NULL ? methods : "auxprop", method);
}

/* No server: it sets passwords, in every store that its configuration does not rule out. */
static bool saslpasswd(struct doctor *doctor, struct server *server)
{
	*server = (struct server){.name = "saslpasswd2", .prefix = ""};
	ma_server_load_sasl(doctor, server, ma_server_folders(doctor), "saslpasswd");
	return access(SASLPASSWD, X_OK) == 0;
}

/* Without a list of its own a program offers what SASL options say, or all there is. */
static void offers_complete(const struct doctor *doctor, struct server *server)
{
	const char *list = ma_server_option(server, "mech_list");
	const char *own = ma_server_option(server, "mailauth_mechs");

	if (server->offers[0] != '\0' || server->offers_unknown || !server->has_conf)
		return;
	(void)snprintf(server->where, sizeof(server->where), "%smech_list in %s", server->prefix,
		       server->conf);
	server->offers_all = list == NULL;
	if (list != NULL)
		(void)snprintf(server->offers, sizeof(server->offers), "%s", list);
	else
		(void)snprintf(
			server->offers, sizeof(server->offers), "%s",
			ma_text("%s %s", ma_mechs_all(doctor->plugins).text, own == NULL ? "" : own)
				.text);
}

void ma_servers_find(struct doctor *doctor)
{
	static bool (*const finders[])(struct doctor *, struct server *) = {
		ma_server_postfix, ma_server_sendmail, ma_server_exim, ma_server_cyrus, saslpasswd,
	};

	find_plugins(doctor);
	for (size_t i = 0; i < sizeof(finders) / sizeof(finders[0]); i++) {
		struct server *server = &doctor->servers[doctor->n_servers];

		if (!finders[i](doctor, server)) {
			ma_settings_clear(&server->sasl);
			continue;
		}
		if (server->logs_in)
			offers_complete(doctor, server);
		doctor->n_servers++;
	}
}
