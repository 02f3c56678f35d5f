"""The system calls that a sandbox may make: one list, in the engine's form and as a program for the kernel.

`profile.json` was written for this project, in the form that Docker's engine takes (its reference is the Apache-2.0
licensed default of moby/profiles, of which no text is used); it is under this repository's licence. Against what
engines let through by default these are left out, as doors into the kernel that work on a repository does not need:
io_uring, sockets of other families than Unix, IP and routing (AF_ALG was CVE-2026-31431; AF_VSOCK leads to a virtual
machine's host), 32-bit and x32 programs (whose socketcall no filter can look into), reading other processes' memory
and descriptors (process_vm_readv, pidfd_getfd, kcmp), handles of files, keys, modify_ldt, NUMA.

`numbers.json` holds what the kernel's headers call these numbers, for x86_64 and aarch64.
"""
