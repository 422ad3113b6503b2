<?php
// SPDX-License-Identifier: BSD-2-Clause
// client.php - logs in with PHP's Net_SMTP and Auth_SASL
//
// Reads a login per line as JSON; answers each with a line of JSON: {"line": the server's reply},
// {"unsupported": why} or {"error": what went wrong}. clients.py starts it.
error_reporting(E_ALL & ~E_DEPRECATED);
require_once 'Net/SMTP.php';

function connect(array $job): Net_SMTP
{
    $context = ['ssl' => ['cafile' => $job['certificate']]];
    $host = ($job['tls'] == 'tls' ? 'ssl://' : '') . 'localhost';
    $smtp = new Net_SMTP($host, $job['port'], 'client.example.test', false, 30, $context);
    check($smtp->connect(30));
    if ($job['tls'] == 'starttls') {
        check($smtp->starttls());
    }
    return $smtp;
}

function check($result)
{
    if (PEAR::isError($result)) {
        throw new Exception($result->getMessage());
    }
    return $result;
}

function login(array $job): array
{
    $smtp = connect($job);
    $result = $smtp->auth($job['user'], $job['password'], $job['mech'], false);
    [$code, $text] = $smtp->getResponse();
    $smtp->disconnect();
    if (!PEAR::isError($result) || preg_match('/^(535|4\d\d)$/', $code)) {
        return ['line' => "$code $text"];
    }
    $message = $result->getMessage();
    return [str_contains($message, 'not a supported') ? 'unsupported' : 'error' => $message];
}

while (($line = fgets(STDIN)) !== false) {
    try {
        $reply = login(json_decode($line, true));
    } catch (Throwable $error) {
        $reply = ['error' => $error->getMessage()];
    }
    echo json_encode($reply), "\n";
}
