# SPDX-License-Identifier: BSD-2-Clause
"""The rows of test_shadow_table.py: invocations of shadow's tools, good and bad.

The users are in test_shadow_table.py: alice (in the group smtp), bob (locked, with ageing), carl
(no password), dora (expired) and eve (no ageing at all); each has a mailbox below /var/vmail. "new"
is nobody yet.

Not here are dates that mean another day after noon: shadow rounds times of day to the nearest
midnight, so "next year" is one more day in the afternoon.
"""
import shlex
import subprocess


def crypt(password, setting):
    """crypt(3); Python's own is deprecated."""
    return subprocess.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, setting],
                          check=True, capture_output=True, text=True).stdout


PASSWORD = "old-Secret1"
HASH = crypt(PASSWORD, "$6$saltsalt$")
NEW = "New-Secret1"
NEW_HASH = crypt(NEW, "$6$saltsalt$")
EVERYTHING = ("uid", "gid", "comment", "home", "shell", "groups", "last_change", "min", "max",
              "warn", "inactive", "expire", "has_secret", "locked", "home_exists")
# What a new user has depends on the machine's defaults but for what the options say.
OPTION_FIELDS = {"-c": ("comment",), "-d": ("home",), "-e": ("expire",), "-f": ("inactive",),
                 "-g": ("gid",), "-G": ("groups",), "-u": ("uid",), "-s": ("shell",),
                 "-b": ("home",), "-p": ("has_secret", "locked"), "-m": ("home_exists",),
                 "-M": ("home_exists",)}
LINE_FIELDS = ("uid", "gid", "comment", "home", "shell", "has_secret", "locked")


class Row:
    """One invocation.

    `ours`: what our side is given, where it cannot be the same. `accepts`: the name and the
    password of a user who must be able to log in afterwards. `prints`: compare standard output,
    too. `says`: our message, a regular expression; default: as shadow's.
    `differs`: why the two differ, in the words of the manual page; our exit code is then `code`.
    """

    def __init__(self, command, stdin=None, **options):
        self.command, self.stdin = command, stdin
        self.tool = command.split()[0]
        self.ours = options.pop("ours", command)
        self.accepts = options.pop("accepts", None)
        self.prints = options.pop("prints", False)
        self.says = options.pop("says", None)
        self.differs = options.pop("differs", None)
        self.code = options.pop("code", None)
        self.fields = options.pop("fields", None) or self._fields()
        assert not options, f"no such option of a row: {options}"
        self.id = command if stdin is None else f"{command} <<< {stdin[:150]!r}"

    def _fields(self):
        if self.tool != "useradd":
            return EVERYTHING
        return tuple(field for word in shlex.split(self.command)
                     for field in OPTION_FIELDS.get(word, ()))


def rows(tool, *commands, **options):
    """Rows that have their options in common."""
    return [Row(f"{tool} {command}".rstrip(), **options) for command in commands]


# What is wrong with a text is said in the words of the library, which checks it for all interfaces.
WRONG_COMMENT = r"the comment has (a colon|a control character)"
WRONG_PATH = r"the (home folder|shell) (is not an absolute path|has a colon)"
WRONG_HASH = r"the crypt\(3\) string cannot be used: "
WRONG_NAME = r"""the name ".*" cannot be used: """

# Why the two differ.
NO_TIMES = "Not taken over: times of day and time zones, since the unit is a day."
NO_SUCH_DAYS = "Dates before 1970 and numbers above 2147483647 are refused."
NO_MORE_DAYS = "99999"
OWN_GROUPS = "are words of their own and need not exist"
NUMBER_GROUPS = "that is a number need not either"
NAMES = "a bad one has an exit status of its own, 19"
REFUSED_NAMES = "Refused are control characters, spaces, any of"
LOWER_CASE = "Names are kept in lower case."
UNIX_NAMES = "Refuse a name that is a Unix user or an alias."
OWN_UIDS = "It must not be that of another account"
WHOSE = "Needs -u, and -g or a default group."
WHERE = "BASE_DIR/REALM/LOCAL"
NO_HASH = "A password that is no usable hash, or is empty, is refused"
LOCK_STAYS = "A lock stays: a new password does not take it off."
BULK_LOCK_STAYS = "An account that is locked stays locked, except with -e."
ALL_OR_NOTHING = "here a bad line means that nothing is changed"
NOT_HALF = "the mailbox could not be moved, and nothing was changed"
NO_PASSWORD = "NP for no password"
NO_SHELL = "SHELL Empty: /usr/sbin/nologin."
NO_NEW_GROUP = "a group that does not exist is an error"

DATES = ("2030-01-02", "2024-02-29", "1970-01-01", "20000", "0", "1", "-1", "''", "2030-1-2",
         "2025-02-30", "2025-02-29", "2025-13-01", "2025-00-10", "-2", "never", "'2 Jan 2030'",
         "'Jan 2, 2030'", "2-jan-30", "01/02/2030", "2030/01/02", "20300102", "' 2030-01-02'",
         "9999-12-31", "+5", "1e3", "2030-01", "2030-01-02-03")
BAD_DATES = {"1969-12-31": NO_SUCH_DAYS, "99999999999": NO_SUCH_DAYS, "x": NO_TIMES,
             "2030-01-02x": NO_TIMES, "'2030-01-02 12:00'": NO_TIMES}
NUMBERS = ("0", "10", "-1", "-2", "x", "''", "1.5", "' 5'", "+5", "0x10", "010", "99999")
BIG_NUMBERS = ("100000", "4294967296")


def dates(tool, option, name, code):
    """An option that takes a date, with each."""
    return [*(Row(f"{tool} {option} {date} {name}") for date in DATES),
            *(Row(f"{tool} {option} {date} {name}", differs=why, code=code)
              for date, why in BAD_DATES.items())]


def numbers(tool, option, name, code):
    """An option that takes a number of days, with each."""
    return [*(Row(f"{tool} {option} {number} {name}") for number in NUMBERS),
            *(Row(f"{tool} {option} {number} {name}", differs=NO_MORE_DAYS, code=code)
              for number in BIG_NUMBERS)]


USERADD = [
    *rows("useradd", "new", "-c 'New User' new", "-c '' new", "-d /var/vmail/x new",
          "-s /bin/sh new", "-s '' new", "--comment Long --shell /bin/sh new"),
    *rows("useradd", "-c a:b new", "-c 'a\nb' new", says=WRONG_COMMENT),
    *rows("useradd", "-d relative new", "-d /a:b new", "-s relative new", says=WRONG_PATH),
    *dates("useradd", "-e", "new", 3),
    *numbers("useradd", "-f", "new", 3),
    *rows("useradd", "-g users new", "-g 100 new", "-g nosuch new", "-G smtp new",
          "-G imap,smtp new", "-G '' new"),
    *rows("useradd", "-g 98765 new", differs=NUMBER_GROUPS, code=0),
    *rows("useradd", "-G nosuch new", differs=OWN_GROUPS, code=0),
    *rows("useradd", "-u 5010 new", "-u 5001 new", "-o -u 5001 new", "-o new", "-u x new",
          "-u -1 new", "-u '' new", "-u 4294967295 new", "-u 4294967294 new", "-u 1.5 new"),
    *rows("useradd", "-u 0 new", differs=OWN_UIDS, code=0),
    *rows("useradd", f"-p '{HASH}' new", f"-p '!{HASH}' new", "-p '!' new", "-p '*' new"),
    *rows("useradd", "-p a:b new", says=WRONG_HASH),
    *rows("useradd", "-p word new", differs=NO_HASH, code=3),
    *rows("useradd", "-m -u 6001 -g users -d /var/vmail/new new", "-M -d /var/vmail/new new",
          "-m -M new", "-b relative new", "-k /etc/skel new",
          "-m -u 6001 -g users -k /etc/skel -d /var/vmail/new new"),
    *rows("useradd", "-m -d /var/vmail/new new", differs=WHOSE, code=2),
    *rows("useradd", "-b /var/vmail new", differs=WHERE, code=0),
    *rows("useradd", "alice", "", "new extra", "--frobnicate new", "-y new", "-e", "-h", "--help",
          "12345", "new.user", "new-user_1", "-c both -e 2030-01-01 -f 5 new",
          "-c good -e never new"),
    *rows("useradd", "Alice", differs=LOWER_CASE, code=9),
    *rows("useradd", "'a b'", "a:b", "a,b", "-- -x", "''", "'a\nb'", differs=NAMES, code=19),
    *rows("useradd", "a/b", ".", "..", "a@@b", differs=REFUSED_NAMES, code=19),
    *rows("useradd", "root", differs=UNIX_NAMES, code=0),
    *rows("useradd", "-D", "-D -s /bin/false", "-D -s relative", "-D -e never", "-D -f x",
          "-D -b relative", "-D -g nosuch", "-D -g users"),
]

USERMOD = [
    *rows("usermod", "alice", "-c x nosuch", "", "-c x", "-c x alice bob", "-y alice",
          "--frobnicate alice", "-h", "-c 'New Name' alice", "-c '' alice", "-m alice",
          "-d /var/vmail/other alice", "-m -d /var/vmail/moved alice", "-s /bin/false alice",
          "-s '' alice"),
    *rows("usermod", "-m -d /var/vmail/bob alice", differs=NOT_HALF, code=12),
    *rows("usermod", "-c a:b alice", says=WRONG_COMMENT),
    *rows("usermod", "-d relative alice", "-d /a:b alice", "-s relative alice", "-s a:b alice",
          says=WRONG_PATH),
    *dates("usermod", "-e", "dora", 3),
    *numbers("usermod", "-f", "bob", 3),
    *rows("usermod", "-g staff alice", "-g 50 alice", "-g nosuch alice", "-G imap alice",
          "-G imap,smtp alice", "-G '' alice", "-a -G imap alice", "-a alice", "-aG imap alice",
          "-a -G smtp alice", "-r -G smtp alice", "-rG imap alice", "-r alice",
          "-a -r -G imap alice"),
    *rows("usermod", "-g 98765 alice", differs=NUMBER_GROUPS, code=0),
    *rows("usermod", "-G nosuch alice", differs=OWN_GROUPS, code=0),
    *rows("usermod", "-l alicia alice", "-l alice alice", "-l bob alice", "-u 6001 alice",
          "-u 5002 alice", "-o -u 5002 alice", "-o alice", "-u x alice", "-u -1 alice",
          "-u 5001 alice", "-l alicia -c 'New Name' -L alice"),
    *rows("usermod", "-l a:b alice", "-l '' alice", says=WRONG_NAME),
    *rows("usermod", "-L alice", "-L bob", "-L carl", "-U bob", "-U carl",
          "-L -U alice", "-L -p x alice", "-p '!' carl", "-c both -e 2030-01-01 alice",
          "-c good -e bad alice"),
    Row(f"usermod -p '{NEW_HASH}' alice", accepts=("alice", NEW)),
    Row(f"usermod -p '!{NEW_HASH}' alice"), Row(f"usermod -p '{NEW_HASH}' bob",
                                               accepts=("bob", NEW)),
    *rows("usermod", "-p a:b alice", differs=NO_HASH, code=3),
    Row("usermod -L dora"), Row("usermod -U alice", accepts=("alice", PASSWORD)),
]

USERDEL = rows("userdel", "alice", "bob", "nosuch", "", "alice bob", "-f alice", "-r alice",
               "-r -f alice", "-rf dora", "-r nosuch", "-y alice", "-h", "--remove alice")

PASSWD = [
    *rows("passwd", "-l alice", "-l bob", "-l carl", "-l nosuch", "-u alice", "-u bob", "-u carl",
          "-d alice", "-d nosuch", "-e alice", "-e carl", "-a", "-S -a alice", "-q -l alice",
          "-n 5 alice", "-x 90 alice", "-w 3 alice", "-i 10 alice", "-n 5 -x 90 -w 3 -i 10 alice",
          "-l -u alice", "-l -S alice", "-y alice", "-l alice bob", "nosuch", "-h", "-l",
          "-e nosuch", "-n 5 nosuch", "-l -n 5 alice", "-d -l alice", "--lock alice"),
    *rows("passwd", *(f"-S {name}" for name in ("alice", "bob", "dora", "eve")), prints=True),
    *rows("passwd", "-S carl", prints=True, differs=NO_PASSWORD, code=0),
    Row("passwd -S nosuch"),
    *numbers("passwd", "-x", "alice", 6), *numbers("passwd", "-n", "bob", 6),
    *rows("passwd", *(f"{option} {value} alice" for option in ("-i", "-w")
                      for value in ("x", "-2", "-1", "''"))),
    Row("passwd alice", f"{NEW}\n{NEW}\n", ours="passwd --stdin alice", accepts=("alice", NEW)),
    Row("passwd carl", f"{NEW}\n{NEW}\n", ours="passwd --stdin carl", accepts=("carl", NEW)),
    Row("passwd bob", f"{NEW}\n{NEW}\n", ours="passwd --stdin bob", differs=LOCK_STAYS, code=0),
]

CHAGE = [
    *rows("chage", "-l nosuch", "-l", "", "-l -E 0 alice", "-y alice", "-h", "-l alice bob",
          "-m 5 nosuch", "-d 2020-01-01 -m 1 -M 90 -W 5 -I 3 -E 2030-01-01 alice",
          "-m 1 -M x alice", "--maxdays 30 alice"),
    *rows("chage", *(f"{option}-l {name}" for option in ("", "-i ")
                     for name in ("alice", "bob", "carl", "dora", "eve")), prints=True),
    *dates("chage", "-E", "dora", 2), *dates("chage", "-d", "alice", 2),
    *numbers("chage", "-m", "bob", 2), *numbers("chage", "-I", "bob", 2),
    *rows("chage", *(f"{option} {value} bob" for option in ("-M", "-W")
                     for value in ("5", "x", "-1", "''"))),
    Row("chage alice", "1\n90\n2020-01-01\n5\n3\n2030-01-01\n"),
    Row("chage bob", "\n\n\n\n\n\n"), Row("chage alice", "x\n"), Row("chage alice", ""),
]

CHPASSWD = [
    Row("chpasswd", f"alice:{NEW}\n", accepts=("alice", NEW)),
    Row("chpasswd", f"carl:{NEW}", accepts=("carl", NEW)),
    Row("chpasswd", f"alice:{NEW}\ndora:{NEW}\n", accepts=("alice", NEW)),
    Row("chpasswd", "alice:with:colon1\n", accepts=("alice", "with:colon1")),
    Row("chpasswd", ""), Row("chpasswd", "alice\n"), Row("chpasswd", "a" * 9000 + "\n"),
    Row("chpasswd", "nosuch:x\n", says="line 1: user 'nosuch' does not exist"),
    Row("chpasswd", "alice:\n", says="line 1: user 'alice': the password is empty"),
    Row("chpasswd", f"alice:{NEW}\nnosuch:x\n", differs=ALL_OR_NOTHING, code=1),
    Row("chpasswd", f"alice:{NEW}\nbob\n", differs=ALL_OR_NOTHING, code=1),
    Row("chpasswd", f"bob:{NEW}\n", differs=BULK_LOCK_STAYS, code=0),
    Row("chpasswd -e", f"alice:{NEW_HASH}\n", accepts=("alice", NEW)),
    Row("chpasswd -e", f"bob:{NEW_HASH}\n", accepts=("bob", NEW)),
    Row("chpasswd -e", f"alice:!{NEW_HASH}\n"), Row("chpasswd -e", "alice:!\n"),
    Row("chpasswd -e", f"alice:{NEW_HASH}\nnosuch:{NEW_HASH}\n"),
    Row("chpasswd -e", "alice\n"),
    Row("chpasswd -y"), Row("chpasswd -h"), Row("chpasswd --encrypted", f"carl:{NEW_HASH}\n"),
]

NEWUSERS = [
    Row("newusers", f"new:{NEW}:6001:100:New User:/var/vmail/new:/bin/sh\n", fields=LINE_FIELDS,
        accepts=("new", NEW)),
    Row("newusers", f"new:{NEW}:6001:users:A, b:/var/vmail/new:/bin/sh\n"
        f"more:{NEW}:6002:100::/var/vmail/more:/bin/sh\n", fields=LINE_FIELDS),
    Row("newusers", f"new:{NEW}:6001:100::/var/vmail/new:\n", fields=("shell",),
        differs=NO_SHELL, code=0),
    Row("newusers", f"new:{NEW}:::::\n", fields=("comment", "has_secret"), accepts=("new", NEW)),
    Row("newusers", f"alice:{NEW}:5001:100:Changed:/var/vmail/alice:/bin/false\n",
        accepts=("alice", NEW)),
    Row("newusers", ""), Row("newusers", "new:x\n"), Row("newusers", "new:a:b:c:d:e:f:g\n"),
    Row("newusers", f"new:{NEW}:6001:100:::\nbad\n"), Row("newusers -h"), Row("newusers -y"),
    Row("newusers nosuchfile"),
    Row("newusers", f"a b:{NEW}:6001:100:::\n", says="line 1: invalid user name 'a b'"),
    Row("newusers", f"new:{NEW}:x:100:::\n", says="line 1: can't create user: .*'x'"),
    Row("newusers", f"new:{NEW}:6001:nosuch:::\n", differs=NO_NEW_GROUP, code=1),
]

# Options that a mail-only user makes no sense of.
NOT_TAKEN_OVER = [
    *rows("useradd", "-N new", "-U new", differs="no Unix group is made for an account", code=2),
    *rows("useradd", "-r new", differs="system accounts: each account is for mail", code=2),
    *rows("useradd", "-K UID_MIN=3000 new", differs="no uid is chosen, no ageing is set", code=2),
    *rows("useradd", "-l new", differs="there is no lastlog", code=2),
    *rows("useradd", "-F new", differs="there are no subordinate ids", code=2),
    *rows("useradd", "--badname new", differs="what a name may be follows from the protocols",
          code=2),
    *rows("usermod", "-b -c x alice", differs="what a name may be follows from the protocols",
          code=2),
    *rows("usermod", "-v 100000-100009 alice", "-V 100000-100009 alice", "-w 100000-100009 alice",
          "-W 100000-100009 alice", differs="accounts have no subordinate ids", code=2),
    *(Row(f"{tool} {option} / {rest}", differs="give another store with --config", code=2)
      for tool, rest in (("useradd", "new"), ("usermod", "-c x alice"), ("userdel", "alice"))
      for option in ("-R", "-P")),
    *(Row(f"{tool} --root / {rest}".rstrip(), stdin, differs=why, code=code)
      for tool, rest, stdin, code, why in (
          ("passwd", "-l alice", None, 6, "give another store with --config"),
          ("chage", "-m 5 alice", None, 2, "give another store with --config"),
          ("chpasswd", "", f"alice:{NEW}\n", 2, "-R is missing; see --config"),
          ("newusers", "", f"new:{NEW}:6001:100:::\n", 1,
           "there are no system accounts here"))),
    *rows("useradd", "-Z user_u new", differs="SELinux has no mapping for accounts", code=2),
    *rows("usermod", "-Z user_u alice", differs="SELinux has no mapping for accounts", code=2),
    *rows("userdel", "-Z alice", differs="SELinux has no mapping for accounts", code=2),
    *rows("passwd", "-k alice", differs="it is about the old password", code=6),
    *(Row(f"chpasswd {options}", f"alice:{NEW}\n", code=2,
          differs="are missing: a password is derived into the secrets") for options in (
              "-c SHA512", "-m", "-c SHA256 -s 5000")),
    *(Row(f"newusers {option}", f"new:{NEW}:6001:100:::\n", code=1,
          differs="there are no system accounts here") for option in ("-b", "-r")),
]

ROWS = [*USERADD, *USERMOD, *USERDEL, *PASSWD, *CHAGE, *CHPASSWD, *NEWUSERS,
        *NOT_TAKEN_OVER]
