//! The system calls that the standard library does not have.

use std::{
    io::{Error, Result},
    os::fd::AsRawFd,
    ptr,
    time::Duration,
};

/// Drops up to `size` received bytes without copying them: how many there were.
pub fn discard(from: &impl AsRawFd, size: usize) -> Result<usize> {
    let null = ptr::null_mut();
    // SAFETY: with this flag TCP writes nothing to the buffer, which is why there need not be one.
    let dropped = unsafe { libc::recv(from.as_raw_fd(), null, size, libc::MSG_TRUNC) };
    to_size(dropped)
}

/// The CPU time that all threads of a process have used.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let mut clock = 0;
    // SAFETY: the pointer is to a local variable.
    match unsafe { libc::clock_getcpuclockid(process as libc::pid_t, &mut clock) } {
        0 => {}
        error => return Err(Error::from_raw_os_error(error)),
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local variable.
    to_size(unsafe { libc::clock_gettime(clock, &mut time) } as isize)?;
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// What a system call returned: a size, or -1 for an error.
fn to_size(returned: isize) -> Result<usize> {
    usize::try_from(returned).map_err(|_| Error::last_os_error())
}
