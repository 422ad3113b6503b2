/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * canon_user.c - the form in which libsasl2 takes names, with canon_user_plugin: mailauth
 *
 * libsasl2 brings each name that a client gives into one form before anybody looks it up or sees
 * it. Its own way adds the realm if the server has named one, and leaves capitals alone; ours
 * answers with the name as it is stored, so that the server's log, its access rules and the store
 * agree.
 *
 * It also sees what nobody sees later: whether the client wrote `local` or `local@realm`, which
 * changes the hash that DIGEST-MD5 is made with. The lookup for that mechanism follows on the same
 * connection; what was written is kept for it in the connection's own properties and nowhere else,
 * anew for each name that authenticates. Where the server changes names itself first, by a callback
 * (Cyrus IMAP does), what it made of the name is all there is to see. When a client answers with a
 * realm other than the one offered, the stock DIGEST-MD5 shows us its name with that realm added,
 * which is taken for what was typed; see auxprop.c.
 *
 * What cannot be the name of an account is passed on as it is. The lookup then finds nobody, and
 * the dialogue runs its course and fails like a wrong password: a code of our own would end it
 * earlier. Mechanisms that prove names of other kinds, GSSAPI and EXTERNAL, stay usable.
 *
 * No store is needed for any of this, and none is opened.
 */
#include "plugin.h"

#include <mailauth/verifier.h>
#include <string.h>

/* Longer than every name of an account, so that what is cut does not become one. */
#define TYPED_MAX (MAILAUTH_NAME_MAX + 1)

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* As libsasl2's own plugin does: keyboards of phones add a space to a completed word. */
static void trim(const char **text, size_t *len)
{
	while (*len > 0 && is_space(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && is_space((*text)[*len - 1]))
		(*len)--;
}

/* libsasl2's buffer has room for out_max bytes and a NUL, and may be the one that @text is in. */
static int answer(const char *text, size_t len, char *out, unsigned int out_max,
		  unsigned int *out_len)
{
	if (len > out_max)
		return SASL_BADAUTH;
	memmove(out, text, len);
	out[len] = '\0';
	if (out_len != NULL)
		*out_len = (unsigned int)len;
	return SASL_OK;
}

/* What an earlier attempt on the connection has left is replaced. */
static int remember_form(const sasl_server_params_t *sparams, bool is_full)
{
	const sasl_utils_t *utils = sparams->utils;
	const char *names[] = {MA_PLUGIN_FORM_PROPERTY, NULL};
	struct propval note[2] = {{.name = NULL}};
	int code = SASL_OK;

	/* A new request clears all values, the ones that are about to be looked up. */
	(void)utils->prop_getnames(sparams->propctx, names, note);
	if (note[0].name != NULL)
		utils->prop_erase(sparams->propctx, MA_PLUGIN_FORM_PROPERTY);
	else
		code = utils->prop_request(sparams->propctx, names);
	if (code != SASL_OK)
		return code;
	return utils->prop_set(sparams->propctx, MA_PLUGIN_FORM_PROPERTY,
			       is_full ? MA_PLUGIN_FORM_FULL : MA_PLUGIN_FORM_LOCAL, -1);
}

static int canon_server(void *glob_context, sasl_server_params_t *sparams, const char *user,
			unsigned int user_len, unsigned int flags, char *out, unsigned int out_max,
			unsigned int *out_len)
{
	struct mailauth_name name = {""};
	size_t len = user_len;
	int code;

	(void)glob_context;
	if (sparams == NULL || user == NULL || out == NULL)
		return SASL_BADPARAM;
	if (len == 0)
		len = strlen(user);
	/* What follows a NUL would be hidden from everybody who reads the answer as a string. */
	if (memchr(user, '\0', len) != NULL)
		return SASL_BADAUTH;
	trim(&user, &len);
	if ((flags & SASL_CU_AUTHID) != 0 && ma_auxprop_wants_form(sparams)) {
		code = remember_form(sparams, memchr(user, '@', len) != NULL);
		if (code != SASL_OK)
			return code;
	}
	if (mailauth_verifier_name(ma_plugin_realm(sparams), user, len, &name) == MAILAUTH_OK)
		return answer(name.text, strlen(name.text), out, out_max, out_len);
	return answer(user, len > TYPED_MAX ? TYPED_MAX : len, out, out_max, out_len);
}

/* A client says who it is in the server's terms; libsasl2 calls this without looking whether it is
 * there, in every program that is a client, too, and has the option. */
static int canon_client(void *glob_context, sasl_client_params_t *cparams, const char *user,
			unsigned int user_len, unsigned int flags, char *out, unsigned int out_max,
			unsigned int *out_len)
{
	size_t len = user_len;

	(void)glob_context;
	(void)cparams;
	(void)flags;
	if (user == NULL || out == NULL)
		return SASL_BADPARAM;
	if (len == 0)
		len = strlen(user);
	trim(&user, &len);
	return answer(user, len, out, out_max, out_len);
}

sasl_canonuser_plug_t *ma_canon_user_plug(void)
{
	/* libsasl2 does not write to it, but has no type that says so. */
	static char name[] = MA_PLUGIN_NAME;
	static sasl_canonuser_plug_t plug = {
		.name = name,
		.canon_user_server = canon_server,
		.canon_user_client = canon_client,
	};

	return &plug;
}
