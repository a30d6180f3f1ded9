//! The filter, as a value: a program of classic BPF over the number and the arguments of a system call.

/// One instruction, as the kernel reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// How many instructions are left out where the comparison is true.
    pub if_so: u8,
    /// And where it is not.
    pub if_not: u8,
    pub value: u32,
}

/// Load a word of the description of the call; compare; answer.
const LOAD: u16 = 0x20;
const IS_EQUAL: u16 = 0x15;
const IS_AT_LEAST: u16 = 0x35;
const ANSWER: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0000 | libc::EPERM.unsigned_abs();

/// Where in the description (`struct seccomp_data`) the number, the architecture and the arguments stand.
const NUMBER: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS: u32 = 16;

/// How the kernel calls this processor, `None` for one whose numbers nobody has looked at.
pub const ARCHITECTURE: Option<u32> =
    if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
        Some(0xc000_003e)
    } else if cfg!(target_arch = "aarch64") {
        Some(0xc000_00b7)
    } else if cfg!(target_arch = "riscv64") {
        Some(0xc000_00f3)
    } else {
        None
    };

/// What is done about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Refuse,
    /// Refuse where this argument is one of these values. (Of a number of 32 bits only the lower half
    /// counts, for the kernel too.)
    RefuseWhere(u32, &'static [u32]),
    /// Allow where this argument is 0, which is the process itself.
    AllowItself(u32),
}

/// `fcntl` names a process, or the signal, that input on a descriptor is told by: a way to send any signal
/// to anybody of the same user (F_SETOWN, F_SETSIG, F_SETOWN_EX). `ioctl` has the first of them, twice.
const FCNTL: Verdict = Verdict::RefuseWhere(1, &[8, 10, 15]);
const IOCTL: Verdict = Verdict::RefuseWhere(1, &[0x8901, 0x8902]);

/// The same on all processors; not every C library has a name for it.
const PIDFD_SEND_SIGNAL: libc::c_long = 424;

/// The calls that reach another process: signals, priorities and processors, limits. What reaches into memory
/// and descriptors is closed already, for nobody of the same user is dumpable.
const CALLS: &[(libc::c_long, Verdict)] = &[
    (libc::SYS_kill, Verdict::Refuse),
    (libc::SYS_tkill, Verdict::Refuse),
    (libc::SYS_tgkill, Verdict::Refuse),
    (libc::SYS_rt_sigqueueinfo, Verdict::Refuse),
    (libc::SYS_rt_tgsigqueueinfo, Verdict::Refuse),
    (PIDFD_SEND_SIGNAL, Verdict::Refuse),
    (libc::SYS_fcntl, FCNTL),
    (libc::SYS_ioctl, IOCTL),
    (libc::SYS_setpriority, Verdict::Refuse),
    (libc::SYS_sched_setparam, Verdict::Refuse),
    (libc::SYS_sched_setscheduler, Verdict::Refuse),
    (libc::SYS_sched_setattr, Verdict::Refuse),
    (libc::SYS_sched_setaffinity, Verdict::Refuse),
    (libc::SYS_ioprio_set, Verdict::Refuse),
    (libc::SYS_prlimit64, Verdict::AllowItself(0)),
];

/// From here on the numbers are those of x86_64's other interface (x32), which nothing of ours uses: it
/// would be a way around the list.
const OTHER_INTERFACE: u32 = 0x4000_0000;

/// All numbers, as what holds from one of them on until the next; the first is 0.
fn ranges() -> Vec<(u32, Verdict)> {
    let mut calls: Vec<(u32, Verdict)> = CALLS
        .iter()
        .filter_map(|&(number, verdict)| Some((u32::try_from(number).ok()?, verdict)))
        .collect();
    calls.sort_by_key(|(number, _)| *number);
    let mut ranges: Vec<(u32, Verdict)> = vec![(0, Verdict::Allow)];
    let mut add = |from: u32, verdict: Verdict| {
        // Where two of the list are neighbours, nothing is between them.
        if ranges.last().is_some_and(|last| last.0 == from) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|last| last.1 != verdict) {
            ranges.push((from, verdict));
        }
    };
    for (number, verdict) in calls {
        add(number, verdict);
        add(number + 1, Verdict::Allow);
    }
    add(OTHER_INTERFACE, Verdict::Refuse);
    ranges
}

/// A jump whose place is known when all of the program is.
enum Target {
    Next,
    Verdict(Verdict),
    /// The instruction of that number.
    At(usize),
}

struct Assembly {
    code: Vec<(u16, u32, Target, Target)>,
}

impl Assembly {
    fn compare(&mut self, code: u16, value: u32, if_so: Target, if_not: Target) -> usize {
        self.code.push((code, value, if_so, if_not));
        self.code.len() - 1
    }

    fn plain(&mut self, code: u16, value: u32) -> usize {
        self.compare(code, value, Target::Next, Target::Next)
    }

    /// Finds the range that the number is in by halves. What follows the comparison is the lower half.
    fn search(&mut self, ranges: &[(u32, Verdict)]) {
        let middle = ranges.len() / 2;
        let (lower, upper) = ranges.split_at(middle);
        let target = |half: &[(u32, Verdict)]| match half {
            [(_, verdict)] => Target::Verdict(*verdict),
            _ => Target::Next,
        };
        let at = self.compare(IS_AT_LEAST, upper[0].0, target(upper), target(lower));
        if lower.len() > 1 {
            self.search(lower);
        }
        if upper.len() > 1 {
            self.code[at].2 = Target::At(self.code.len());
            self.search(upper);
        }
    }

    /// The instructions that come to this verdict; the number of the first.
    fn answer(&mut self, verdict: Verdict) -> usize {
        let argument =
            |at: u32| ARGUMENTS + 8 * at + if cfg!(target_endian = "big") { 4 } else { 0 };
        let (refuse, allow) = (
            || Target::Verdict(Verdict::Refuse),
            || Target::Verdict(Verdict::Allow),
        );
        match verdict {
            Verdict::Allow => self.plain(ANSWER, ALLOW),
            Verdict::Refuse => self.plain(ANSWER, REFUSE),
            Verdict::RefuseWhere(at, values) => {
                let first = self.plain(LOAD, argument(at));
                let (last, others) = values.split_last().unwrap_or((&0, &[]));
                for &value in others {
                    self.compare(IS_EQUAL, value, refuse(), Target::Next);
                }
                self.compare(IS_EQUAL, *last, refuse(), allow());
                first
            }
            Verdict::AllowItself(at) => {
                let first = self.plain(LOAD, argument(at));
                self.compare(IS_EQUAL, 0, allow(), refuse());
                first
            }
        }
    }
}

/// The filter of this processor. All jumps of such a program lead forward.
pub fn program() -> Vec<Instruction> {
    let mut assembly = Assembly { code: Vec::new() };
    assembly.plain(LOAD, ARCHITECTURE_AT);
    let other = Target::Verdict(Verdict::Refuse);
    let architecture = ARCHITECTURE.unwrap_or_default();
    assembly.compare(IS_EQUAL, architecture, Target::Next, other);
    assembly.plain(LOAD, NUMBER);
    assembly.search(&ranges());
    let verdicts = [
        FCNTL,
        IOCTL,
        Verdict::AllowItself(0),
        Verdict::Allow,
        Verdict::Refuse,
    ];
    let places = verdicts.map(|verdict| (verdict, assembly.answer(verdict)));
    let place = |verdict: Verdict| places.iter().find(|known| known.0 == verdict);
    let distance = |at: usize, target: &Target| {
        let to = match target {
            Target::Next => at + 1,
            Target::At(to) => *to,
            Target::Verdict(verdict) => place(*verdict).map_or(at + 1, |known| known.1),
        };
        // The whole program is shorter than the longest jump; a test sees to it.
        u8::try_from(to - at - 1).unwrap_or(u8::MAX)
    };
    let code = assembly.code.iter().enumerate();
    code.map(|(at, (code, value, if_so, if_not))| Instruction {
        code: *code,
        if_so: distance(at, if_so),
        if_not: distance(at, if_not),
        value: *value,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program answers to a call, and after how many instructions.
    fn run(
        program: &[Instruction],
        architecture: u32,
        number: u32,
        arguments: [u32; 2],
    ) -> (u32, u32) {
        let (mut at, mut loaded, mut steps) = (0, 0, 0);
        loop {
            let instruction = program[at];
            steps += 1;
            at += 1;
            let is_so = match instruction.code {
                LOAD => {
                    loaded = match instruction.value {
                        NUMBER => number,
                        ARCHITECTURE_AT => architecture,
                        16 => arguments[0],
                        24 => arguments[1],
                        other => panic!("{other} is loaded"),
                    };
                    continue;
                }
                ANSWER => return (instruction.value, steps),
                IS_EQUAL => loaded == instruction.value,
                IS_AT_LEAST => loaded >= instruction.value,
                other => panic!("{other} is no instruction"),
            };
            at += usize::from(if is_so {
                instruction.if_so
            } else {
                instruction.if_not
            });
        }
    }

    fn answer(number: libc::c_long, arguments: [u32; 2]) -> u32 {
        let number = u32::try_from(number).expect("a number");
        let here = ARCHITECTURE.expect("a known processor");
        run(&program(), here, number, arguments).0
    }

    #[test]
    fn what_reaches_another_process_is_refused_and_everything_else_allowed() {
        let program = program();
        let here = ARCHITECTURE.expect("a known processor");
        let listed = |number: u32| {
            CALLS
                .iter()
                .find(|(call, _)| *call == libc::c_long::from(number))
                .map(|(_, verdict)| *verdict)
        };
        for number in 0..1000 {
            let (told, steps) = run(&program, here, number, [7, 7]);
            let expected = match listed(number) {
                Some(Verdict::Refuse | Verdict::AllowItself(_)) => REFUSE,
                _ => ALLOW,
            };
            assert_eq!(told, expected, "{number}");
            // It is run once for each call when it is installed.
            assert!(steps <= 14, "{number} takes {steps}");
        }
    }

    #[test]
    fn a_process_has_its_own_limits_and_no_others() {
        assert_eq!(answer(libc::SYS_prlimit64, [0, 7]), ALLOW);
        assert_eq!(answer(libc::SYS_prlimit64, [1, 7]), REFUSE);
    }

    #[test]
    fn no_signal_is_sent_by_way_of_a_descriptor() {
        let commands = [libc::F_SETOWN, 10, 15].map(|command| command.unsigned_abs());
        for command in 0..2000 {
            let expected = if commands.contains(&command) {
                REFUSE
            } else {
                ALLOW
            };
            assert_eq!(answer(libc::SYS_fcntl, [3, command]), expected, "{command}");
        }
        assert_eq!(answer(libc::SYS_ioctl, [3, 0x8901]), REFUSE);
        assert_eq!(answer(libc::SYS_ioctl, [3, 0x8902]), REFUSE);
        assert_eq!(answer(libc::SYS_ioctl, [3, 0x541b]), ALLOW);
    }

    #[test]
    fn the_calls_of_another_interface_are_none() {
        let program = program();
        let here = ARCHITECTURE.expect("a known processor");
        assert_eq!(run(&program, 0x4000_0003, 20, [0, 0]).0, REFUSE);
        for number in [OTHER_INTERFACE, OTHER_INTERFACE + 62, u32::MAX] {
            assert_eq!(run(&program, here, number, [0, 0]).0, REFUSE);
        }
    }

    #[test]
    fn it_is_no_longer_than_a_jump_leads() {
        let length = program().len();
        assert!(length < usize::from(u8::MAX), "{length}");
    }
}
