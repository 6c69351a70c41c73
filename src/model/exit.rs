//! Exit statuses, from sysexits.h(3head): what a command says to cron, to an MTA, to a shell.

/// One exit status. The variants' order is of no meaning; [`Exit::worst`] has the rule of `run`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    #[default]
    Ok = 0,
    /// `status` and `check`: something wants a person's attention. `list`, `show`, `flush`,
    /// `hold`, `release`, `requeue`, `remove`: no such entry, or a question was answered with no.
    Attention = 1,
    Usage = 64,
    DataErr = 65,
    NoInput = 66,
    NoUser = 67,
    Unavailable = 69,
    Software = 70,
    OsErr = 71,
    CantCreate = 73,
    IoErr = 74,
    TempFail = 75,
    NoPerm = 77,
    Config = 78,
}

impl Exit {
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The status that a child of ours ended with; what none of ours says is an internal fault.
    pub fn of_code(code: i32) -> Exit {
        let all = [
            Exit::Ok,
            Exit::Attention,
            Exit::Usage,
            Exit::DataErr,
            Exit::NoInput,
            Exit::NoUser,
            Exit::Unavailable,
            Exit::Software,
            Exit::OsErr,
            Exit::CantCreate,
            Exit::IoErr,
            Exit::TempFail,
            Exit::NoPerm,
            Exit::Config,
        ];
        all.into_iter().find(|exit| i32::from(exit.code()) == code).unwrap_or(Exit::Software)
    }

    /// Of two statuses of one run the one that matters more: 78, 70, 74, 75, anything else but 0, 0.
    pub fn worst(self, other: Exit) -> Exit {
        let rank = |exit: Exit| match exit {
            Exit::Ok => 0,
            Exit::TempFail => 2,
            Exit::IoErr => 3,
            Exit::Software => 4,
            Exit::Config => 5,
            Exit::Attention
            | Exit::Usage
            | Exit::DataErr
            | Exit::NoInput
            | Exit::NoUser
            | Exit::Unavailable
            | Exit::OsErr
            | Exit::CantCreate
            | Exit::NoPerm => 1,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}
