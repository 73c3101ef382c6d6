"""Runs a container whose PID 1 is rini, with health checks, exec, reloads and load, and checks that everything holds.

usage: watch.py IMAGE LABEL SECONDS BINARY FOLDER. `run` calls it, and makes the image.
"""

import csv
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

image, label, seconds, binary, folder = sys.argv[1:]
seconds, folder = int(seconds), pathlib.Path(folder)

HEALTH_EVERY = "1s"
# The check leaves an orphan, which exits after the check has exited.
HEALTH = "(sleep 0.1 &); python3 -c 'import http.client as h; c = h.HTTPConnection(\"127.0.0.1\", 8000); c.request(\"GET\", \"/\"); assert c.getresponse().status == 200'"
# Seconds. A short run takes the second value, so that it has some of everything.
EXEC_EVERY = min(5, seconds / 5)
RELOAD_EVERY = min(30, seconds / 3)
SAMPLE_EVERY = min(10, seconds / 20)
# The shell's own code must come through, and each shell leaves five orphans.
SHELL, CODE, ORPHANS = "for i in 1 2 3 4 5; do (sleep 0.1 &); done; exit 3", 3, 5
# After this many seconds an event counts as missing.
LIMIT = 60


def docker(*words, check=True):
    result = subprocess.run(["docker", *words], check=check, text=True, capture_output=True, timeout=LIMIT)
    return result.stdout + (result.stderr if words[0] == "logs" else "")


def start(*words):
    return docker("run", "--detach", "--label", label, *words).strip()


def until(what, holds):
    end = time.monotonic() + LIMIT
    while not (found := holds()):
        if time.monotonic() > end:
            sys.exit(f"watch.py: this has not come in {LIMIT} s: {what}")
        time.sleep(0.05)
    return found


def init_of(container):
    return int(docker("inspect", "--format", "{{.State.Pid}}", container))


def processes(init):
    """The state of each process in the PID namespace of this one, by its pid here."""
    of = os.readlink(f"/proc/{init}/ns/pid_for_children")
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            status = stat[stat.rindex(")") + 2]
            # A zombie has no namespace to read, so its parent decides. For an orphan that is the init.
            if status == "Z":
                inside = int(stat[stat.rindex(")") + 2 :].split()[1]) == init
            else:
                inside = os.readlink(f"/proc/{pid}/ns/pid") == of
        except (OSError, ValueError):
            continue
        if inside:
            found[int(pid)] = status
    return found


def zombies(init):
    return {pid for pid, state in processes(init).items() if state == "Z"}


def sample(init, began):
    rollup = pathlib.Path(f"/proc/{init}/smaps_rollup").read_text()
    memory = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB$", rollup, re.MULTILINE)}
    fields = pathlib.Path(f"/proc/{init}/stat").read_text().rpartition(")")[2].split()
    there = processes(init)
    dead = {pid for pid, state in there.items() if state == "Z"}
    # A process is a zombie until rini gets the processor. It counts as not reaped if it still exists after a second.
    time.sleep(1)
    left = dead & zombies(init)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "rss_kib": memory["Rss"],
        "private_dirty_kib": memory["Private_Dirty"],
        "descriptors": len(os.listdir(f"/proc/{init}/fd")),
        "processes": len(there),
        "zombies_seen": len(dead),
        "zombies_left": len(left),
        "cpu_ms": (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK"),
    }


def control():
    """The same checks and shells where PID 1 is nobody who reaps: zombies must be seen."""
    container = start("--health-cmd", "(sleep 0.1 &)", "--health-interval", HEALTH_EVERY, "--entrypoint", "sleep", "--network", "none", image, "infinity")
    init = init_of(container)
    docker("exec", container, "sh", "-c", SHELL, check=False)
    seen = until("zombies below a sleep that is PID 1", lambda: len(zombies(init)) > ORPHANS and len(zombies(init)))
    docker("rm", "--force", container)
    return seen


class Doing(threading.Thread):
    """Does something again and again, until it is told to end; and counts how often it went well and how often not."""

    def __init__(self, every, what):
        super().__init__(daemon=True)
        self.every, self.what, self.good, self.bad, self.done = every, what, 0, 0, threading.Event()

    def run(self):
        while not self.done.wait(self.every):
            try:
                good = self.what()
            except subprocess.SubprocessError:
                good = False
            if good:
                self.good += 1
            else:
                self.bad += 1

    def end(self):
        self.done.set()
        self.join()


unreaped = control()

service = start(
    "--init=false", "--network", "none", "--env", "RINI_LOG=info", "--env", "SECONDS=0.2", "--health-cmd", HEALTH, "--health-interval", HEALTH_EVERY,
    "--memory", "512m", image, "gunicorn", "--workers=2", "--bind=127.0.0.1:8000", "app",
)
until("gunicorn listens", lambda: "Listening at" in docker("logs", service))
client = start("--network", f"container:{service}", "--entrypoint", "/rini", image, "--", "python3", "/client.py")
init = init_of(service)


def exec_shell():
    return subprocess.run(["docker", "exec", service, "sh", "-c", SHELL], check=False, timeout=LIMIT).returncode == CODE


def reload():
    return docker("kill", "--signal", "HUP", service).strip() == service


shells, reloads = Doing(EXEC_EVERY, exec_shell), Doing(RELOAD_EVERY, reload)
shells.start()
reloads.start()
began, rows, checks = time.monotonic(), [], 0
with open(folder / "soak.csv", "w", newline="") as file:
    while (passed := time.monotonic() - began) < seconds:
        rows.append(sample(init, began))
        if len(rows) == 1:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
        writer.writerow(rows[-1])
        file.flush()
        time.sleep(max(0, min(SAMPLE_EVERY, seconds - passed) - 1))
shells.end()
reloads.end()
took = time.monotonic() - began
health = docker("inspect", "--format", "{{.State.Health.Status}}", service).strip()
docker("kill", "--signal", "TERM", client)
docker("wait", client)
answered, failed, kinds = docker("logs", client).split("\n")[0].split(" ", 2)
docker("stop", service)
code = int(docker("inspect", "--format", "{{.State.ExitCode}}", service))
log = docker("logs", service).splitlines()
handled = sum("Handling signal: hup" in line for line in log)
closing = next((line for line in reversed(log) if "orphans reaped: " in line), "")
forwarded, reaped = map(int, re.search(r"signals forwarded: (\d+), orphans reaped: (\d+)|$", closing).groups(default=0))

# Some memory is taken once, when each thing happens for the first time, such as a page of the stack for the first message.
warm = [row for row in rows if row["seconds"] > max(seconds / 10, 1.5 * RELOAD_EVERY)]
held = {
    "no zombie stayed": all(row["zombies_left"] == 0 for row in rows),
    "the private dirty memory did not grow": len(warm) > 1
    and max(row["private_dirty_kib"] for row in warm) <= warm[0]["private_dirty_kib"],
    "the descriptors did not grow": max(row["descriptors"] for row in rows) == rows[0]["descriptors"],
    "each reload was handled": handled == reloads.good > 0 and reloads.bad == 0,
    "each shell ended with its code": shells.good > 0 and shells.bad == 0,
    "no request was lost": int(failed) == 0 < int(answered),
    "the orphans were reaped": reaped >= shells.good * ORPHANS > 0,
    "each reload and the stop was forwarded, and nothing else": forwarded == reloads.good + 1,
    "it was healthy at the end": health == "healthy",
    "it ended with 0": code == 0,
}


def span(name):
    values = [row[name] for row in rows]
    return f"{values[0]} | {min(values)} | {max(values)} | {values[-1]}"


commit = subprocess.run([binary, "--version"], check=True, text=True, capture_output=True).stdout.strip()
report = f"""## Soak

{took / 3600:.2f} hours of a container with `{commit}` as PID 1 ({os.path.getsize(binary)} bytes): gunicorn with two workers under load, a health check
each second that leaves an orphan, a shell exec'd into it each {EXEC_EVERY:g} s that leaves {ORPHANS}, a reload by SIGHUP each {RELOAD_EVERY:.3g} s, and a stop at the
end. The {"long" if seconds >= 7200 else "short"} form; {len(rows)} samples ([soak.csv](soak.csv)).

![memory, descriptors, zombies and processes over the time](soak.svg)

| of rini, or of the container | at first | least | most | at last |
|---|---:|---:|---:|---:|
| resident, KiB | {span("rss_kib")} |
| private and dirty, KiB | {span("private_dirty_kib")} |
| descriptors | {span("descriptors")} |
| processes in the container | {span("processes")} |
| zombies in a sample | {span("zombies_seen")} |
| of those, there a second later | {span("zombies_left")} |

| what was done | times |
|---|---:|
| requests answered | {answered} |
| requests lost | {failed} |
| shells exec'd, ended with {CODE} | {shells.good} |
| shells that ended otherwise | {shells.bad} |
| reloads sent, handled | {reloads.good}, {handled} |
| orphans reaped, as rini says | {reaped} |
| processor time of rini, ms | {rows[-1]["cpu_ms"]} |

rini's closing line: `{closing}`. Exit code of the container: {code}.

Negative control: with `sleep` as PID 1 in place of rini the same count found {unreaped} zombies.

"""
report += "".join(f"- {'held' if good else '**did not hold**'}: {what}\n" for what, good in held.items())
(folder / "soak.md").write_text(report)
print(report)
if int(failed):
    print(kinds)
sys.exit(0 if all(held.values()) else 1)
