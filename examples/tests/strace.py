"""Which sockets a traced program opened, and what they talked to."""
import re
import shutil

AVAILABLE = shutil.which("strace") is not None
CALL = re.compile(r"^(?:\d+ +)?(socket|connect|bind|listen|sendto|sendmsg)\((.*)", re.MULTILINE)
PEER = re.compile(r'sin6?_port=htons\((\d+)\).*?"([0-9a-f.:]+)"')


def wrap(log):
    """The command to put before another one; every process and thread it starts is traced too."""
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=socket,connect,bind,listen,sendto,sendmsg", "-o", str(log)]


def calls(log):
    """(name, arguments) of each of these system calls."""
    return CALL.findall(log.read_text(errors="replace"))


def outward(found):
    """All but what is sent without an address: where no socket was opened, that goes over a pair of sockets to a process of our own, the cage."""
    unaddressed = re.compile(r"NULL, 0(\)| <unfinished)|msg_name=NULL")
    return [(name, arguments) for name, arguments in found if not (name.startswith("send") and unaddressed.search(arguments))]


def families(found):
    """The address families of the sockets that were opened."""
    return {arguments.split(",")[0] for name, arguments in found if name == "socket"}


def peers(found):
    """(address, port) of each connection over a network."""
    return {(match[2], int(match[1])) for name, arguments in found if name == "connect" and (match := PEER.search(arguments))}
