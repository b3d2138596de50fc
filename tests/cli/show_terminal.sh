# on a terminal lines fit its width, by shorter names; in a pipe names are whole
. $SRC/tests/cli/lite0.sh.inc
cat > on_terminal.py <<'PY'
import fcntl, os, pty, struct, sys, termios
columns, command = int(sys.argv[1]), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execvp(command[0], command)
out = b""
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    out += got
os.waitpid(pid, 0)
table = out.decode().split("\r\n\r\n")[1].split("\r\n")
print("\n".join(table[:4]))
print("widest", max(map(len, table)) if columns else "any")
PY
for columns in 300 100 40; do
    python3 on_terminal.py $columns "$PENULT" show lite0.onnx
done
