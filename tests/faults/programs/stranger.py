"""What another user of the machine does who means no good, or only wants to know: run as that user.

plant KIND PATH    puts a socket, symlink, file or fifo at a path, and counts who connects and what they send
poll PATH...       connects to the paths as often as it can, until its standard input ends
try PATH...        connects once to each
tell COUNT PATH... connects so often, to one after the other in no order, and says on each connection who it is and where

Says what came of it in a line of JSON.
"""
import errno, json, os, random, socket, sys, threading

def say(**what):
    print(json.dumps(what), flush=True)

def plant(kind, path):
    heard = {"connections": 0, "bytes": 0}
    if kind == "socket":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen(10)

        def serve():
            while True:
                caller, _ = listener.accept()
                heard["connections"] += 1
                threading.Thread(target=lambda: hear(caller), daemon=True).start()

        def hear(caller):
            while data := caller.recv(65536):
                heard["bytes"] += len(data)

        threading.Thread(target=serve, daemon=True).start()
    elif kind == "symlink":
        os.symlink("/etc/passwd", path)
    elif kind == "file":
        with open(path, "w") as file:
            file.write("planted")
        os.chmod(path, 0o666)
    elif kind == "fifo":
        os.mkfifo(path)
        os.chmod(path, 0o666)
    say(planted=kind)
    sys.stdin.read()
    say(**heard)

def attempt(path):
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
            return "connected"
        except OSError as error:
            return errno.errorcode[error.errno]

def poll(paths):
    counts, over = {}, threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    say(polling=True)
    while not over.is_set():
        for path in paths:
            what = attempt(path)
            counts[what] = counts.get(what, 0) + 1
    say(**counts)

def tell(count, paths):
    kept = []
    for _ in range(count):
        at = random.randrange(len(paths))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(paths[at])
        groups = ",".join(map(str, os.getgroups()))
        connection.sendall(b"%d %d %d %s %d\n" % (os.getpid(), os.getuid(), os.getgid(), groups.encode(), at))
        kept.append(connection)
        while len(kept) > random.randrange(40):
            kept.pop(random.randrange(len(kept))).close()
    say(told=count)

verb, *words = sys.argv[1:]
if verb == "plant":
    plant(*words)
elif verb == "poll":
    poll(words)
elif verb == "tell":
    tell(int(words[0]), words[1:])
else:
    say(**{path: attempt(path) for path in words})
