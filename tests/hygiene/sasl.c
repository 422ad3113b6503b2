/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sasl.c - a server on libsasl2 that keeps no secret itself; see command.h
 *
 *   option NAME VALUE      init          done
 *   new REALM              dispose
 *   start MECH HEX         step HEX      check NAME HEX     set NAME HEX
 *   lookup NAME
 *
 * The answer is libsasl2's code, and for "start" and "step" the reply. A comma in an option's value
 * stands for a space, which ends a word.
 */
#include <sasl/sasl.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define OPTIONS_MAX 8

static struct {
	char *name;
	char *value;
} options[OPTIONS_MAX];
static size_t n_options;
static sasl_conn_t *conn;
static struct command command;

static int get_option(void *context, const char *plugin, const char *name, const char **value_out,
		      unsigned int *len_out)
{
	(void)context;
	(void)plugin;
	for (size_t i = 0; i < n_options; i++) {
		if (strcmp(options[i].name, name) != 0)
			continue;
		*value_out = options[i].value;
		if (len_out != NULL)
			*len_out = (unsigned int)strlen(options[i].value);
		return SASL_OK;
	}
	return SASL_FAIL;
}

static bool is_command(const char *word)
{
	return strcmp(command.words[0], word) == 0;
}

static int add_option(void)
{
	char *value;

	if (n_options == OPTIONS_MAX)
		return SASL_FAIL;
	options[n_options].name = strdup(command.words[1]);
	options[n_options].value = strdup(command.words[2]);
	value = options[n_options++].value;
	for (; value != NULL && *value != '\0'; value++)
		*value = *value == ',' ? ' ' : *value;
	return SASL_OK;
}

static int init(void)
{
	static const sasl_callback_t callbacks[] = {
		{SASL_CB_GETOPT, (int (*)(void))(void (*)(void))get_option, NULL},
		{SASL_CB_LIST_END, NULL, NULL},
	};

	return sasl_server_init(callbacks, "hygiene");
}

/* What the mechanisms ask the plugin for, without a mechanism. */
static int lookup(void)
{
	static const char *names[] = {"*cmusaslsecretPLAIN", "*cmusaslsecretCRAM-MD5",
				      "*cmusaslsecretDIGEST-MD5", "*authPassword", NULL};
	int code = sasl_auxprop_request(conn, names);

	return code == SASL_OK ? sasl_user_exists(conn, "smtp", NULL, command.words[1]) : code;
}

/* No first message is another thing than an empty one. */
static const char *initial_response(void)
{
	return command.bytes_len == 0 ? NULL : (const char *)command.bytes;
}

static int run(const char **reply_out, unsigned int *len_out)
{
	const char *word = command.words[1];

	if (is_command("option"))
		return add_option();
	if (is_command("init"))
		return init();
	if (is_command("new"))
		return sasl_server_new("smtp", word, word, NULL, NULL, NULL, 0, &conn);
	if (is_command("lookup"))
		return lookup();
	if (!is_command("dispose") && !is_command("done"))
		command_decode(&command, is_command("step") ? 1 : 2);
	if (is_command("start"))
		return sasl_server_start(conn, word, initial_response(),
					 (unsigned int)command.bytes_len, reply_out, len_out);
	if (is_command("step"))
		return sasl_server_step(conn, (const char *)command.bytes,
					(unsigned int)command.bytes_len, reply_out, len_out);
	if (is_command("check"))
		return sasl_checkpass(conn, word, (unsigned int)strlen(word),
				      (const char *)command.bytes, (unsigned int)command.bytes_len);
	if (is_command("set"))
		return sasl_setpass(conn, word, (const char *)command.bytes,
				    (unsigned int)command.bytes_len, NULL, 0, SASL_SET_CREATE);
	if (is_command("dispose"))
		sasl_dispose(&conn);
	else
		sasl_done();
	return SASL_OK;
}

int main(void)
{
	while (command_read(&command)) {
		const char *reply = NULL;
		unsigned int len = 0;
		int code = run(&reply, &len);

		command_answer(&command, code, reply, len);
	}
	return 0;
}
