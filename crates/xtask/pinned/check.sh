# Run by systemd itself, as root of a system of its own, with -eux: the package as an administrator would use it.
cd /run/check
main() { systemctl show --property MainPID --value whipstitch; }
property() { systemctl show --property "$1" --value whipstitch; }
# That a command does not succeed; of `!` alone the shell's -e takes no notice.
refused() { if "$@"; then return 1; fi; }
# Waits until a command succeeds, ten seconds at most.
soon() {
    for _ in $(seq 100); do
        if "$@"; then return; fi
        sleep 0.1
    done
    return 1
}
serves() {
    openssl s_client -connect 127.0.0.1:443 -servername live.example.com -verify_return_error -CAfile tls.crt \
        </dev/null >/dev/null 2>&1
}

# It is installed, and neither enabled nor started.
dpkg --install package.deb
refused systemctl is-enabled whipstitch
refused systemctl is-active whipstitch
systemd-analyze verify --man=no whipstitch.service

# Without certificates it does not start, and trying again would not help.
refused systemctl start whipstitch
test "$(property NRestarts)" = 0
test "$(property ExecMainStatus)" = 78
systemctl reset-failed whipstitch

# The start waits for READY=1; keys are root's, and read by way of the group.
install -m 0644 tls.crt /etc/whipstitch/tls.crt
install -m 0640 -g whipstitch-keys tls.key session.key /etc/whipstitch/
systemctl enable --now whipstitch
systemctl is-active whipstitch
pid=$(main)
test "$(stat --format %U /proc/$pid)" = whipstitch
test "$(stat --format %a /run/whipstitch/admin.sock)" = 660
serves

# A reload keeps the process; one with mistakes reaches it not at all.
systemctl reload whipstitch
test "$(main)" = "$pid"
cp /etc/whipstitch/whipstitch.toml kept
echo 'nonsense = 1' >>/etc/whipstitch/whipstitch.toml
refused systemctl reload whipstitch
test "$(main)" = "$pid"
serves
cp kept /etc/whipstitch/whipstitch.toml

# Drained, it stays until it is told to end, so that a supervisor does not start it again.
whipstitch drain --wait --config /etc/whipstitch/whipstitch.toml
test "$(main)" = "$pid"
refused serves

# One that hangs is noticed and started anew.
mkdir /run/systemd/system/whipstitch.service.d
printf '[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n' >/run/systemd/system/whipstitch.service.d/soon.conf
systemctl daemon-reload
systemctl restart whipstitch
pid=$(main)
# Alive for longer than its watchdog waits.
sleep 3
test "$(main)" = "$pid"
kill -STOP "$pid"
changed() { test "$(main)" != "$pid" && systemctl is-active whipstitch; }
soon changed
soon serves

# With the socket unit nobody is refused while it is started anew, and it needs no capability.
systemctl stop whipstitch
install -D -m 0644 /usr/lib/whipstitch/socket.conf /etc/systemd/system/whipstitch.service.d/socket.conf
systemctl daemon-reload
systemctl enable --now whipstitch.socket
systemctl start whipstitch
pid=$(main)
grep '^CapEff:[[:space:]]*0*$' "/proc/$pid/status"
systemctl restart --no-block whipstitch
while ! changed; do serves; done
serves
# Whoever connects starts it.
systemctl stop whipstitch.service
serves
# A socket that nothing is configured for would answer nobody, so it says so, and does not start.
sed -i 's/^https = .*/https = ["0.0.0.0:8443"]/' /etc/whipstitch/whipstitch.toml
refused systemctl restart whipstitch
test "$(property ExecMainStatus)" = 78
cp kept /etc/whipstitch/whipstitch.toml
systemctl disable --now whipstitch.socket whipstitch
rm /etc/systemd/system/whipstitch.service.d/socket.conf
systemctl daemon-reload
systemctl reset-failed whipstitch
systemctl enable --now whipstitch

# The end is a drain, and no failure. An upgrade starts the new program; a removal keeps the settings.
systemctl stop whipstitch
test "$(property Result)" = success
systemctl start whipstitch
pid=$(main)
dpkg --install package.deb
soon changed
dpkg --remove whipstitch
refused systemctl is-active whipstitch
test -e /etc/whipstitch/whipstitch.toml
