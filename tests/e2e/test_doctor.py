# SPDX-License-Identifier: BSD-2-Clause
"""`mailuser doctor`: set-ups as docs/ describes them have no finding, and each broken one has the
one that names what is broken.

The servers are set up as for the other tests, but not started: doctor looks at files. Each case
breaks a private machine, asks the doctor, and puts the machine back.
"""
import json

import pytest

from conftest import SERVERS, make_accounts
from mailserver import HOSTNAME

SAVED = "/etc /var/lib/mailauth /usr/lib/x86_64-linux-gnu/sasl2"
PREPARE = {  # what the server's start() does first
    "exim": "usermod -a -G mailauth Debian-exim; update-exim4.conf",
    "cyrus": "usermod -a -G mailauth cyrus",
}
SETTLE = """
cd $(dirname {certificate})
openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN={hostname} \\
    -keyout key.pem -out cert.pem
mkdir -p /run/saved
for each in {saved}; do mkdir -p /run/saved/$each; cp -a $each/. /run/saved/$each; done
"""
RESTORE = """
for each in {saved}; do
    mkdir -p $each; find $each -mindepth 1 -delete; cp -a /run/saved/$each/. $each
    chmod --reference=/run/saved/$each $each; chown --reference=/run/saved/$each $each
done
rm -rf /usr/local/lib/sasl2 /var/spool/postfix/etc
"""
KEY = "/etc/mailauth/store.key"
CONFIG = "/etc/mailauth/mailauth.conf"
STORE = "/var/lib/mailauth/accounts.mdb"
SMTPD = "/etc/postfix/sasl/smtpd.conf"
SENDMAIL = "/etc/sasl2/Sendmail.conf"
EXIM = "/etc/sasl2/exim.conf"
IMAPD = "/etc/imapd.conf"
SASLPASSWD = "/etc/sasl2/saslpasswd.conf"
FOLDER = "/usr/lib/x86_64-linux-gnu/sasl2"
PLUGIN = f"{FOLDER}/libsasl_mailauth.so"
CERT = "/etc/postfix/tls/cert.pem"
ALICE = f"alice@{HOSTNAME}"
# As saslpasswd2 makes it if it may.
SASLDB = f"""
cp {SASLPASSWD} /run/saslpasswd.conf; echo 'auxprop_plugin: sasldb' >{SASLPASSWD}
echo secret | saslpasswd2 -p -c -u x.test {{user}}
mv /run/saslpasswd.conf {SASLPASSWD}
mkdir -p $(dirname {{path}}); [ {{path}} = /etc/sasldb2 ] || mv /etc/sasldb2 {{path}}
chown root:mail {{path}}; chmod {{mode}} {{path}}
"""


class Patient:
    """A set-up server that cases may break, one after the other."""

    def __init__(self, name, folder, tree):
        self.server = SERVERS[name](folder / "run", tree)
        try:
            make_accounts(self.server)
            self.server.shell(PREPARE.get(name, ":"))
            self.server.shell(SETTLE.format(certificate=self.server.certificate_path,
                                            hostname=HOSTNAME, saved=SAVED))
        except BaseException:
            self.server.close()
            raise

    def doctor(self, *args):
        """The findings and the exit code."""
        done = self.server.mailuser("doctor", "--json", *args, check=False)
        assert done.stderr == ""
        return json.loads(done.stdout), done.returncode

    def restore(self):
        """As it was when it was made."""
        self.server.shell(RESTORE.format(saved=SAVED))


@pytest.fixture(name="patient", scope="module")
def fixture_patient(tree, tmp_path_factory):
    """A function that returns the patient of that name, well."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Patient(name, tmp_path_factory.mktemp(name), tree)
        else:
            made[name].restore()
        return made[name]

    yield get
    for each in made.values():
        each.server.close()


def short(findings):
    """(check, severity, subject) of each."""
    return [(each["check"], each["severity"], each["subject"]) for each in findings]


@pytest.mark.parametrize("name", SERVERS)
def test_a_documented_setup_is_well(patient, name):
    machine = patient(name)
    assert machine.doctor() == ([], 0)
    done = machine.server.mailuser("doctor")
    assert done.stdout.startswith("all is well: looked at ")
    assert "7 accounts" in done.stdout
    assert {"postfix": "Postfix", "sendmail": "Sendmail", "exim": "Exim",
            "cyrus": "Cyrus IMAP"}[name] in done.stdout


@pytest.mark.parametrize("name", SERVERS)
def test_our_own_mechanisms_are_well(patient, name):
    machine = patient(name)
    machine.server.use_own_mechanisms()
    assert machine.doctor() == ([], 0)


WELL = {  # set-ups that are other than in docs/, and nothing is wrong with them
    "key_for_root_alone": f"chmod 0600 {KEY} {STORE}; chown root:root {KEY} {STORE}",
    "passwords_checked_by_saslauthd": (
        f"printf 'pwcheck_method: saslauthd\\nmech_list: PLAIN LOGIN\\n' >{SMTPD}"),
    "both_methods_and_crypt_alone": (
        f"sed -i 's/^pwcheck_method.*/pwcheck_method: auxprop saslauthd/' {SMTPD};"
        " mailuser add -p \"$(openssl passwd -6 secret)\" --mech PLAIN zoe"),
    "auth_of_dovecot": f"postconf -e smtpd_sasl_type=dovecot; rm {SMTPD}",
    "no_auth": f"postconf -e smtpd_sasl_auth_enable=no; rm {SMTPD}",
    "tls_only": "postconf -X smtpd_sasl_security_options; postconf -e smtpd_tls_auth_only=yes"
                " smtpd_sasl_tls_security_options=noanonymous",
    "fewer_mechanisms": f"sed -i 's/^mech_list.*/mech_list: PLAIN, CRAM-MD5 GSSAPI/' {SMTPD}",
    "plus_in_the_list": f"sed -i '/^mech_list/s/$/ SCRAM-SHA-256-PLUS/' {SMTPD}",
    "realm_by_variables": "postconf -e 'smtpd_sasl_local_domain = ${name}.$mydomain' name=mail"
                          " mydomain=example.test",
    "sasldb_as_sasl2_bin_makes_it": SASLDB.format(
        user="no:such:user", path="/etc/sasldb2", mode="0660"),
}


@pytest.mark.parametrize("case", WELL)
def test_what_is_well_is_let_alone(patient, case):
    machine = patient("postfix")
    machine.server.shell(WELL[case])
    assert machine.doctor() == ([], 0)


# What breaks it, in the shell; the only finding; what it says must have this.
CASES = {
    # configuration, key and store
    "nothing_is_there": (
        "rm -r /etc/mailauth /var/lib/mailauth",
        ("files", "error", CONFIG), "mailuser init"),
    "group_is_missing": ("groupdel mailauth", ("files", "error", "mailauth"), "mailuser init"),
    "key_for_all_to_read": (f"chmod 0644 {KEY}", ("files", "error", KEY), "mailuser rekey"),
    "key_for_group_to_write": (
        f"chmod 0660 {KEY}", ("files", "error", KEY), f"chmod 0640 {KEY}"),
    "key_of_somebody": (f"chown 1234 {KEY}", ("files", "error", KEY), "chown root:mailauth"),
    "key_is_a_link": (
        f"mv {KEY} {KEY}.old; ln -s {KEY}.old {KEY}", ("files", "error", KEY), "no regular file"),
    "key_is_a_fifo": (
        f"rm {KEY}; mkfifo -m 0640 {KEY}", ("files", "error", KEY), "no regular file"),
    "key_is_missing": (f"rm {KEY}", ("open", "error", KEY), "backup"),
    "key_is_damaged": (f"echo rubbish >{KEY}", ("open", "error", KEY), "backup"),
    "keys_forgotten": (
        f"echo 2 $(openssl rand -hex 32) >>{KEY}; touch -d '8 days ago' {KEY}",
        ("keys", "warning", KEY), "mailuser rekey --prune"),
    "configuration_for_all_to_write": (
        f"chmod 0666 {CONFIG}", ("files", "error", CONFIG), f"chmod 0640 {CONFIG}"),
    "configuration_is_a_fifo": (
        f"rm {CONFIG}; mkfifo {CONFIG}", ("files", "error", CONFIG), "no regular file"),
    "configuration_has_a_bad_key": (
        f"echo 'colour = blue' >>{CONFIG}", ("open", "error", CONFIG), "colour"),
    "folder_for_all_to_write": (
        "chmod 0777 /etc/mailauth", ("files", "error", "/etc/mailauth"), "chmod 0750"),
    "store_for_all_to_read": (f"chmod 0644 {STORE}", ("files", "warning", STORE), "chmod 0640"),
    "store_is_missing": (f"rm {STORE}*", ("open", "error", STORE), "mailuser init"),
    "store_is_a_fifo": (
        f"rm {STORE}; mkfifo -m 0640 {STORE}", ("files", "error", STORE), "no regular file"),
    "store_is_rubbish": (
        f"head -c 65536 /dev/urandom >{STORE}", ("open", "error", STORE), "backup"),
    "lock_for_all_to_write": (
        f"chmod 0666 {STORE}-lock", ("files", "warning", f"{STORE}-lock"), "chmod 0660"),
    "another_key": (  # each account is named: here there is one
        "for name in bob carl-cram eve-expired lou-locked gus-groupless ian-imap; do"
        f" mailuser del $name; done; echo 1 $(openssl rand -hex 32) >{KEY}",
        ("store", "error", ALICE), "backup"),
    # the plugin
    "plugin_is_missing": (f"rm {PLUGIN}", ("plugin", "error", PLUGIN), "install"),
    "plugin_is_elsewhere": (
        f"mkdir -p /usr/local/lib/sasl2; mv {PLUGIN} /usr/local/lib/sasl2",
        ("plugin", "error", "/usr/local/lib/sasl2/libsasl_mailauth.so"), "ln -s"),
    "plugin_does_not_load": (
        f"head -c 1000 {PLUGIN} >{PLUGIN}.new; mv {PLUGIN}.new {PLUGIN}",
        ("plugin", "error", PLUGIN), "does not load"),
    "plugin_is_something_else": (
        f"cp {FOLDER}/libplain.so {PLUGIN}.new; mv {PLUGIN}.new {PLUGIN}",
        ("plugin", "error", PLUGIN), "no plugin"),
    "plugin_for_all_to_write": (
        f"chmod 0666 {PLUGIN}", ("plugin", "error", PLUGIN), "chmod 0644"),
    "plugin_has_an_old_copy": (
        f"mkdir -p /usr/local/lib/sasl2; cp {FOLDER}/libplain.so"
        " /usr/local/lib/sasl2/libsasl_mailauth.so",
        ("plugin", "warning", "/usr/local/lib/sasl2/libsasl_mailauth.so"), "another version"),
    # Postfix
    "smtpd_conf_is_missing": (f"rm {SMTPD}", ("saslconf", "error", SMTPD), "auxprop_plugin"),
    "smtpd_conf_in_another_folder": (
        f"mv {SMTPD} /etc/sasl2", ("saslconf", "error", SMTPD), "no such file"),
    "smtpd_conf_of_another_name": (
        "postconf -e smtpd_sasl_path=mail",
        ("saslconf", "error", "/etc/postfix/sasl/mail.conf"), "no such file"),
    "smtpd_conf_by_another_path": (
        "postconf -e cyrus_sasl_config_path=/etc/elsewhere",
        ("saslconf", "error", "/etc/elsewhere/smtpd.conf"), "no such file"),
    "smtpd_conf_is_a_fifo": (
        f"rm {SMTPD}; mkfifo {SMTPD}", ("saslconf", "error", SMTPD), "no regular file"),
    "smtpd_conf_has_a_bad_line": (
        f"echo rubbish >>{SMTPD}", ("saslconf", "error", SMTPD), "refuses the whole file"),
    "auxprop_plugin_is_missing": (
        f"sed -i /^auxprop_plugin/d {SMTPD}", ("saslconf", "error", SMTPD), "every plugin"),
    "auxprop_plugin_is_sasldb": (
        f"sed -i 's/^auxprop_plugin.*/auxprop_plugin: sasldb/' {SMTPD}",
        ("saslconf", "warning", SMTPD), "in clear"),
    "auxprop_plugin_is_sasldb_too": (
        f"sed -i 's/^auxprop_plugin.*/auxprop_plugin: mailauth sasldb/' {SMTPD}",
        ("saslconf", "warning", SMTPD), "in clear"),
    "auxprop_plugin_is_another": (
        f"sed -i 's/^auxprop_plugin.*/auxprop_plugin: ldapdb/' {SMTPD}",
        ("saslconf", "warning", SMTPD), "leaves mailauth out"),
    "pwcheck_method_is_unknown": (
        f"sed -i 's/^pwcheck_method.*/pwcheck_method: auxprops/' {SMTPD}",
        ("saslconf", "error", SMTPD), "auxprops"),
    "pwcheck_method_is_alwaystrue": (
        f"sed -i 's/^pwcheck_method.*/pwcheck_method: alwaystrue/' {SMTPD}",
        ("saslconf", "error", SMTPD), "every password"),
    "canon_user_plugin_is_missing": (
        f"sed -i /^canon_user_plugin/d {SMTPD}", ("saslconf", "warning", SMTPD), "DIGEST-MD5"),
    "mech_list_is_missing": (
        f"sed -i /^mech_list/d {SMTPD}", ("saslconf", "warning", SMTPD),
        "mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256"),
    "mech_list_has_ntlm": (
        f"sed -i '/^mech_list/s/$/ NTLM/' {SMTPD}", ("saslconf", "warning", SMTPD), "NTLM"),
    "mech_list_has_what_mechanisms_leave_out": (
        f"sed -i '/^mech_list/s/$/ SCRAM-SHA-512/' {SMTPD}",
        ("saslconf", "warning", SMTPD), "leaves it out"),
    "mech_list_has_what_libsasl2_has_not": (
        f"rm {FOLDER}/liblogin.so*", ("saslconf", "error", SMTPD), "libsasl2-modules"),
    "mechanism_of_both": (
        f"echo 'mailauth_mechs: CRAM-MD5' >>{SMTPD}",
        ("saslconf", "warning", SMTPD), "take CRAM-MD5 out of mailauth_mechs"),
    "mechanism_of_nobody": (
        f"echo 'mailauth_mechs: CRAM-MD4' >>{SMTPD}",
        ("saslconf", "error", SMTPD), "CRAM-MD4"),
    "mechanism_that_one_account_lacks": (
        "echo 'mechanisms = PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1' >>/etc/mailauth/new;"
        " echo Wonder-1 | mailuser --config /etc/mailauth/new passwd --stdin alice;"
        " rm /etc/mailauth/new",
        ("saslconf", "warning", SMTPD),
        f"SCRAM-SHA-256, for which 1 account has no verifier: {ALICE}"),
    "saslauthd_alone_and_transition": (
        f"printf 'pwcheck_method: saslauthd\\nmech_list: PLAIN LOGIN\\nauto_transition: yes\\n'"
        f" >{SMTPD}",
        ("saslconf", "warning", SMTPD), "auto_transition"),
    "plus_is_no_mechanism_of_its_own": (
        f"echo 'mailauth_mechs: SCRAM-SHA-256-PLUS' >>{SMTPD}",
        ("saslconf", "error", SMTPD), "SCRAM-SHA-256-PLUS"),
    "auth_is_not_enabled": (
        "postconf -e smtpd_sasl_auth_enable=no",
        ("saslconf", "warning", "/etc/postfix/main.cf"), "smtpd_sasl_auth_enable=yes"),
    "passwords_in_clear": (
        "postconf -X smtpd_sasl_security_options",
        ("cleartext", "warning", "Postfix"), "noplaintext"),
    "passwords_never": (
        "postconf -X smtpd_sasl_tls_security_options",
        ("cleartext", "warning", "Postfix"), "noanonymous"),
    "another_realm": (
        "postconf -e smtpd_sasl_local_domain=example.org",
        ("realm", "warning", "Postfix"), "'example.org'"),
    "certificate_is_missing": (f"rm {CERT}", ("certificates", "warning", CERT), "cannot be read"),
    "certificate_is_none": (f"echo no >{CERT}", ("certificates", "warning", CERT), "no PEM"),
    "certificate_has_expired": (
        "cd /etc/postfix/tls; mkdir ca; : >ca/index; echo 01 >ca/serial;"
        " printf '[ca]\\ndefault_ca=x\\n[x]\\ndir=ca\\ndatabase=ca/index\\nserial=ca/serial\\n"
        "new_certs_dir=ca\\ndefault_md=sha256\\npolicy=p\\n[p]\\ncommonName=supplied\\n' >ca/conf;"
        f" openssl req -new -key key.pem -subj /CN={HOSTNAME} -out ca/req;"
        " openssl ca -batch -config ca/conf -selfsign -keyfile key.pem -in ca/req -out cert.pem"
        " -startdate 20200101000000Z -enddate 20210101000000Z",
        ("certificates", "error", CERT), "has expired"),
    # saslpasswd2, sasldb
    "saslpasswd_conf_is_missing": (
        f"rm {SASLPASSWD}", ("saslconf", "warning", SASLPASSWD), "in clear"),
    "saslpasswd_conf_has_no_plugin": (
        f": >{SASLPASSWD}", ("saslconf", "warning", SASLPASSWD), "in clear"),
    "sasldb_for_a_group": (
        SASLDB.format(user="bob", path="/etc/sasldb2", mode="0640"),
        ("sasldb", "warning", "/etc/sasldb2"), "which the group mail can read"),
    "sasldb_for_all": (
        SASLDB.format(user="bob", path="/var/spool/postfix/etc/sasldb2", mode="0644"),
        ("sasldb", "error", "/var/spool/postfix/etc/sasldb2"), "shred -u"),
    # groups and accounts
    "postfix_in_the_group": (
        "usermod -a -G mailauth postfix", ("members", "info", "postfix"), "gpasswd -d postfix"),
    "account_is_a_unix_user": (
        "useradd -u 4711 alice", ("elsewhere", "warning", ALICE), "/etc/passwd"),
    "account_is_an_alias": (
        "printf 'bob2: x\\n\"Alice\" : root\\n' >/etc/aliases",
        ("elsewhere", "warning", ALICE), "newaliases"),
    "account_without_password": (
        "mailuser add zoe", ("accounts", "warning", f"zoe@{HOSTNAME}"),
        f"mailuser passwd zoe@{HOSTNAME}"),
    "account_whose_name_is_a_command": (
        "mailuser add 'zoe$(id)'",
        ("accounts", "warning", f"zoe$(id)@{HOSTNAME}"), "mailuser passwd NAME"),
    "account_with_crypt_alone": (
        "mailuser add -p \"$(openssl passwd -6 secret)\" zoe",
        ("accounts", "warning", f"zoe@{HOSTNAME}"), "pam_mailauth"),
    "account_that_nothing_serves": (
        f"sed -i 's/^mech_list.*/mech_list: SCRAM-SHA-1/' {SMTPD}",
        ("accounts", "warning", f"carl-cram@{HOSTNAME}"), "no mechanism"),
}
# The same for other servers.
OTHERS = {
    "sendmail_conf_is_missing": (
        "sendmail", f"rm {SENDMAIL}", ("saslconf", "error", SENDMAIL), "pwcheck_method"),
    "sendmail_offers_what_no_account_has": (
        "sendmail", "sed -i 's/^O AuthMechanisms=/&SCRAM-SHA-512 /' /etc/mail/sendmail.cf",
        ("saslconf", "warning", SENDMAIL), "confAUTH_MECHANISMS"),
    "sendmail_sends_passwords_in_clear": (
        "sendmail", "sed -i 's/^O AuthOptions=.*/O AuthOptions=A/' /etc/mail/sendmail.cf",
        ("cleartext", "warning", "Sendmail"), "confAUTH_OPTIONS"),
    "exim_is_no_member": (
        "exim", "gpasswd -d Debian-exim mailauth",
        ("members", "error", "Debian-exim"), "usermod -a -G mailauth Debian-exim"),
    "exim_conf_is_missing": (
        "exim", f"rm {EXIM}", ("saslconf", "error", EXIM), "canon_user_plugin"),
    "exim_cannot_capture": (
        "exim", f"echo 'auto_transition: yes' >>{EXIM}",
        ("saslconf", "warning", EXIM), "cannot write"),
    "exim_offers_what_libsasl2_has_not": (
        "exim", f"rm {FOLDER}/libcrammd5.so*", ("saslconf", "error", EXIM), "CRAM-MD5"),
    "group_cannot_read_the_key": (
        "exim", f"chmod 0600 {KEY}", ("files", "error", KEY), "chmod 0640"),
    "cyrus_is_no_member": (
        "cyrus", "gpasswd -d cyrus mailauth", ("members", "error", "cyrus"), "usermod"),
    "cyrus_has_no_virtual_domains": (
        "cyrus", f"sed -i /^virtdomains/d {IMAPD}", ("saslconf", "error", IMAPD), "virtdomains"),
    "cyrus_takes_the_realm_off_twice": (
        "cyrus", f"echo 'defaultdomain: x.test' >>{IMAPD}",
        ("saslconf", "error", IMAPD), "defaultdomain"),
    "cyrus_sends_passwords_in_clear": (
        "cyrus", f"sed -i 's/^allowplaintext.*/allowplaintext: yes/' {IMAPD}",
        ("cleartext", "warning", "Cyrus IMAP"), "allowplaintext: no"),
    "cyrus_has_a_plugin_too_many": (
        "cyrus", f"sed -i '/^sasl_auxprop_plugin/s/$/ sasldb/' {IMAPD}",
        ("saslconf", "warning", IMAPD), "sasl_auxprop_plugin"),
    "cyrus_has_another_realm": (
        "cyrus", f"echo 'servername: x.test' >>{IMAPD}", ("realm", "warning", "Cyrus IMAP"),
        "servername"),
}
ALL = {**{name: ("postfix", *case) for name, case in CASES.items()}, **OTHERS}


@pytest.mark.parametrize("case", sorted(ALL, key=lambda name: ALL[name][0]))
def test_what_is_broken_is_named(patient, case):
    """It, and nothing else; and that it is bad enough to do something shows in the exit code."""
    name, script, expected, words = ALL[case]
    machine = patient(name)
    machine.server.shell(script)
    findings, code = machine.doctor()
    assert short(findings) == [expected]
    assert words in findings[0]["problem"] + " " + findings[0]["advice"]
    assert code == (0 if expected[1] == "info" else 1)


def test_unprivileged_it_says_what_it_cannot_see(patient):
    machine = patient("postfix")
    done = machine.server.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                              "mailuser", "doctor", "--json", check=False)
    findings = json.loads(done.stdout)
    assert done.returncode == 1
    assert {KEY, STORE} <= {each["subject"] for each in findings}
    assert {each["advice"] for each in findings} == {"run 'mailuser doctor' as root"}


def test_it_changes_nothing(patient):
    """Everything that it looks at is as before, apart from the readers' table of LMDB."""
    machine = patient("postfix")
    look = "find /etc /var/lib/mailauth /usr/lib/*/sasl2 -type f ! -name '*-lock' -printf" \
           " '%p %m %u %g %T@ ' -exec md5sum {} \\;"
    before = machine.server.shell(look).stdout
    machine.doctor()
    assert machine.server.shell(look).stdout == before


def test_no_secret_is_printed(patient):
    """Neither the key nor a verifier, whatever is damaged."""
    machine = patient("postfix")
    key = machine.server.path(KEY).read_text().split()[-1]
    machine.server.shell(f"sed -i 's/^1 /x /' {KEY}; chmod 0644 {KEY}; cp {KEY} {SMTPD}")
    done = machine.server.mailuser("doctor", check=False)
    assert done.returncode == 1
    assert key not in done.stdout + done.stderr


def test_others_texts_cannot_harm_a_terminal(patient):
    machine = patient("postfix")
    machine.server.shell(
        f"printf 'mailauth_mechs: \\033]0;owned\\007\\303\\251\\n' >>{SMTPD}")
    findings, code = machine.doctor()
    assert code == 1
    assert "?]0;owned???" in findings[0]["problem"]
    assert machine.server.mailuser("doctor", check=False).stdout.isprintable() is False
    assert "\033" not in machine.server.mailuser("doctor", check=False).stdout


def test_endless_and_huge_files_do_not_keep_it(patient):
    machine = patient("postfix")
    machine.server.shell(
        "ln -sf /dev/zero /etc/aliases; truncate -s 3G /etc/sasldb2"
        f"; rm {SMTPD}; ln -s /dev/zero {SMTPD}; truncate -s 5G /etc/imapd.conf")
    # Of the processor's time, which does not count what else the machine does. It takes 0.1 s.
    done = machine.server.run("prlimit", "--cpu=3", "mailuser", "doctor", "--json", check=False)
    assert done.returncode == 1 and done.stderr == "", done
    findings = json.loads(done.stdout)
    assert ("saslconf", "error", SMTPD) in short(findings)
    assert ("elsewhere", "warning", "/etc/aliases") in short(findings)


def test_many_accounts_are_counted(patient):
    """The first ten by name, the others as a number."""
    machine = patient("postfix")
    machine.server.shell("for i in $(seq 10 22); do mailuser add zoe$i; done")
    findings, _ = machine.doctor()
    assert len(findings) == 11
    assert findings[-1]["subject"] == "3 more accounts"


def test_a_store_that_is_nearly_full(patient):
    machine = patient("postfix")
    machine.server.shell(
        f"rm {STORE}*; echo 'map_size = 1M' >>{CONFIG}; mailuser init"
        "; for i in $(seq 1450); do echo user$i:Wonder-$i:::$(printf %0200d 0)::; done"
        " | mailuser newusers --mech CRAM-MD5")
    findings, code = machine.doctor()
    assert short(findings) == [("store", "warning", STORE)]
    assert "map_size" in findings[0]["advice"]
    assert code == 1


def test_an_imported_unix_user_is_himself(patient):
    """The uid tells that it is the same person."""
    machine = patient("postfix")
    machine.server.shell("useradd -u 4711 alice; mailuser del alice")
    machine.server.mailuser("add", "-u", "4711", "--stdin", "alice", stdin="Wonder-1\n")
    assert machine.doctor() == ([], 0)


def test_text_and_json_say_the_same(patient):
    machine = patient("postfix")
    machine.server.shell(f"chmod 0644 {KEY}; rm {SASLPASSWD}")
    findings, code = machine.doctor()
    done = machine.server.mailuser("doctor", check=False)
    assert done.returncode == code == 1
    assert done.stdout.splitlines() == [
        f"{each['severity']}: {each['subject']}: {each['problem']}: {each['advice']}"
        for each in findings]
