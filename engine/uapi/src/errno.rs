//! Error numbers as bpf(2) and the helpers return them.

use std::fmt;

macro_rules! errnos {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        /// A kernel error number, positive. Helpers return its negative.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(i32)]
        pub enum Errno { $($(#[$doc])* $name = $value,)* }

        impl Errno {
            /// Every number known here.
            pub const ALL: &[Errno] = &[$(Errno::$name),*];

            /// Its symbol, such as `EINVAL`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Errno::$name => stringify!($name),)* }
            }
        }
    };
}
errnos! {
    /// Operation not permitted: a frozen or one-sided map.
    EPERM = 1;
    /// No such entry.
    ENOENT = 2;
    /// Too big: an index past the end, a full map.
    E2BIG = 7;
    /// Bad file descriptor.
    EBADF = 9;
    /// Try again.
    EAGAIN = 11;
    /// Out of memory.
    ENOMEM = 12;
    /// Access refused by the verifier.
    EACCES = 13;
    /// Bad address: an access outside the packet.
    EFAULT = 14;
    /// Busy.
    EBUSY = 16;
    /// Exists already.
    EEXIST = 17;
    /// No such device.
    ENODEV = 19;
    /// Invalid argument.
    EINVAL = 22;
    /// No space left.
    ENOSPC = 28;
    /// Result out of range.
    ERANGE = 34;
    /// Would wait for itself: a timer's callback that cancels its own timer.
    EDEADLK = 35;
    /// Too many levels: types that own each other.
    ELOOP = 40;
    /// Bad message: a checksum mismatch.
    EBADMSG = 74;
    /// Value too large.
    EOVERFLOW = 75;
    /// Operation not supported.
    EOPNOTSUPP = 95;
    /// Address family not supported.
    EAFNOSUPPORT = 97;
    /// Done already: a second encapsulation.
    EALREADY = 114;
    /// Not supported, kernel-internal value that reaches user space as it is.
    ENOTSUPP = 524;
}

impl Errno {
    /// The number, positive.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// What a helper returns for it: the negative number as a register value.
    #[must_use]
    pub const fn as_ret(self) -> u64 {
        (-(self as i64)) as u64
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
