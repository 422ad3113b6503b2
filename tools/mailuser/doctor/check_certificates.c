/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_certificates.c - have the servers' TLS certificates expired?
 *
 * Without TLS nobody gets to log in with PLAIN, and clients that have seen an expired certificate
 * say only that they cannot connect.
 */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define SOON_DAYS 7

/* The first certificate in a PEM file; NULL: there is none. */
static X509 *parse(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return certificate;
}

static void look_dates(struct doctor *doctor, const struct server *server, const X509 *certificate)
{
	int days = 0;
	int seconds = 0;

	if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1)
		return;
	if (days < 0 || seconds < 0)
		ma_finding_add(doctor, MA_FINDING_ERROR, server->certificate,
			       ma_text("the certificate of %s has expired %d day%s ago",
				       server->name, -days, days == -1 ? "" : "s")
				       .text,
			       ma_text("put a new one there, then %s", server->restart).text);
	else if (days < SOON_DAYS)
		ma_finding_add(doctor, MA_FINDING_INFO, server->certificate,
			       ma_text("the certificate of %s expires in %d day%s", server->name,
				       days, days == 1 ? "" : "s")
				       .text,
			       ma_text("put a new one there, then %s", server->restart).text);
}

static void look(struct doctor *doctor, const struct server *server)
{
	char *text;
	enum foreign result = ma_foreign_read(server->certificate, &text);
	X509 *certificate;

	if (result != MA_FOREIGN_READ) {
		ma_finding_add(doctor, MA_FINDING_WARNING, server->certificate,
			       ma_text("the certificate of %s cannot be read: %s", server->name,
				       result == MA_FOREIGN_ODD ? "it is no regular file"
								: strerror(errno))
				       .text,
			       result == MA_FOREIGN_DENIED
				       ? "run 'mailuser doctor' as root"
				       : ma_text("put one there, then %s", server->restart).text);
		return;
	}
	certificate = parse(text);
	free(text);
	if (certificate == NULL)
		ma_finding_add(
			doctor, MA_FINDING_WARNING, server->certificate,
			ma_text("the certificate of %s is no PEM certificate", server->name).text,
			ma_text("put one there, then %s", server->restart).text);
	else
		look_dates(doctor, server, certificate);
	X509_free(certificate);
}

static void run(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->n_servers; i++)
		if (ma_server_asks(&doctor->servers[i]) && doctor->servers[i].certificate[0] == '/')
			look(doctor, &doctor->servers[i]);
}

const struct check ma_check_certificates = {"certificates", run};
