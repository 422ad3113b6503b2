# SPDX-License-Identifier: BSD-2-Clause
# client.rb - logs in with Ruby's net-smtp, net-pop and net-imap
#
# Reads a login per line as JSON; answers each with a line of JSON: {"line": the server's reply},
# {"unsupported": why} or {"error": what went wrong}. clients.py starts it.
require "json"
require "net/imap"
require "net/pop"
require "net/smtp"
require "openssl"

def tls_context(job)
  context = OpenSSL::SSL::SSLContext.new
  context.ca_file = job["certificate"]
  context.verify_mode = OpenSSL::SSL::VERIFY_PEER
  context
end

def smtp(job)
  client = Net::SMTP.new("localhost", job["port"])
  client.disable_starttls
  client.enable_starttls(tls_context(job)) if job["tls"] == "starttls"
  client.enable_tls(tls_context(job)) if job["tls"] == "tls"
  client.start("client.example.test")
  begin
    client.authenticate(job["user"], job["password"], job["mech"].downcase.tr("-", "_").to_sym)
    { line: "235" }
  rescue ArgumentError, EncodingError, RangeError => error
    { unsupported: error.message }
  rescue Net::SMTPAuthenticationError, Net::SMTPServerBusy => error
    { line: error.message }
  ensure
    client.finish
  end
end

def pop3(job)
  return { unsupported: "only APOP and USER" } unless %w[APOP USER].include?(job["mech"])
  return { unsupported: "no STLS" } if job["tls"] == "starttls"

  client = Net::POP3.new("localhost", job["port"], job["mech"] == "APOP")
  if job["tls"] == "tls"
    client.enable_ssl(verify_mode: OpenSSL::SSL::VERIFY_PEER, ca_file: job["certificate"])
  end
  client.start(job["user"], job["password"]) { { line: "+OK" } }
rescue Net::POPAuthenticationError => error
  { line: error.message }
end

# What goes wrong in an authenticator of net-imap 0.2.4 does so in a thread whose end nobody
# notices, and the login hangs. So it is asked beforehand, with a challenge as it comes in.
CHALLENGES = {
  "CRAM-MD5" => "<1.2@localhost>".b.freeze,
  "DIGEST-MD5" => 'realm="r",nonce="n",qop="auth",charset=utf-8,algorithm=md5-sess'.b.freeze
}.freeze

def broken(job)
  challenge = CHALLENGES[job["mech"]]
  Net::IMAP.authenticator(job["mech"], job["user"], job["password"]).process(challenge) if challenge
  nil
rescue StandardError => error
  error.message
end

def imap(job)
  why = broken(job)
  return { unsupported: why } if why

  options = { port: job["port"] }
  options[:ssl] = { ca_file: job["certificate"] } if job["tls"] == "tls"
  client = Net::IMAP.new("localhost", **options)
  begin
    client.starttls({ ca_file: job["certificate"] }, true) if job["tls"] == "starttls"
    if job["mech"] == "USER"
      client.login(job["user"], job["password"])
    else
      client.authenticate(job["mech"], job["user"], job["password"])
    end
    { line: "a OK" }
  rescue ArgumentError, EncodingError => error
    { unsupported: error.message }
  rescue Net::IMAP::NoResponseError => error
    { line: "a NO #{error.message}" }
  ensure
    client.disconnect
  end
end

STDIN.each_line do |line|
  job = JSON.parse(line)
  begin
    reply = send(job["protocol"], job)
  rescue StandardError => error
    reply = { error: "#{error.class}: #{error.message}" }
  end
  puts JSON.generate(reply)
  STDOUT.flush
end
