//! The table of codes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Severity::{self, Block, Care, Note};

/// What is said of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub number: u16,
    /// Its name, for machines that show names.
    pub name: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// Whether `--force` may make it weigh less. What cannot be done at all is not forced.
    pub can_be_forced: bool,
    /// The sentence of a finding, with names in braces for what differs.
    pub sentence: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// A code is no code of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no code of a finding: they look like BR-H020, and docs/reference/findings.md lists them")]
pub struct UnknownCode(String);

macro_rules! codes {
    ($($number:literal $code:ident $name:literal $severity:ident $force:ident $sentence:literal $remedy:literal)*) => {
        /// Code of a finding: `BR-H` and three digits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $sentence] $code,)*
        }

        impl Code {
            /// All of them, by number.
            pub const ALL: &[Code] = &[$(Code::$code),*];

            /// What is said of it.
            pub fn rule(self) -> &'static Rule {
                match self {
                    $(Code::$code => &Rule {
                        number: $number,
                        name: $name,
                        severity: $severity,
                        can_be_forced: $force,
                        sentence: $sentence,
                        remedy: $remedy,
                    },)*
                }
            }
        }
    };
}

/// May be forced.
const FORCE: bool = true;
/// May not.
const NEVER: bool = false;
/// Nothing that anybody would force.
const PLAIN: bool = false;

codes! {
    // the runtime and the release
    1 RuntimeChanged "runtime-changed" Block NEVER
        "The runtime changes from ERTS {from} to {to}."
        "Deploy in full: a running VM cannot be replaced."
    2 CoreChanged "core-changed" Block NEVER
        "{application} changes, which the running VM is built on ({from} to {to})."
        "Deploy in full, or build both versions with the same OTP and Elixir."
    3 KindChanged "kind-changed" Block NEVER
        "The packages are of two kinds: {from} and {to}."
        "Deploy in full."
    4 ReleaseChanged "release-changed" Block NEVER
        "The packages hold two releases: {from} and {to}."
        "Compare two versions of one release."
    5 VmArgumentsChanged "vm-arguments-changed" Block FORCE
        "vm.args changes, which is read only when a VM starts."
        "Deploy in full; or force it when the next cold start is soon enough for the new flags."
    6 EnvironmentScriptChanged "environment-script-changed" Block FORCE
        "env.sh changes, which is run only when a VM starts."
        "Deploy in full; or force it when the next cold start is soon enough."
    7 StartPhasesChanged "start-phases-changed" Block FORCE
        "The start phases of {application} change, which are run only when it starts."
        "Deploy in full; or force it, which stops and starts the application in the running node."
    8 Unreadable "unreadable" Block NEVER
        "{module} could not be read: {why}."
        "Build the package anew; what cannot be read is not compared."
    9 NothingChanged "nothing-changed" Note PLAIN
        "Both packages hold the same code and configuration."
        "Nothing to do."

    // configuration
    10 ConfigChanged "config-changed" Note PLAIN
        "The configuration of {application} changes: {keys}."
        "Nothing to do: it is set in the node and told to config_change/3."
    11 ConfigNotTold "config-not-told" Care PLAIN
        "The configuration of {application} changes ({keys}), and its callback module has no config_change/3: values that it read when it started stay in use."
        "Give the application a config_change/3, or read the values where they are used."
    12 RuntimeConfigChanged "runtime-config-changed" Note PLAIN
        "What computes the configuration at start changes ({what})."
        "Nothing to do: the new version's configuration is computed in a throwaway VM and applied."
    13 LoggerConfigChanged "logger-config-changed" Care PLAIN
        "The configuration of {application} changes ({keys}), which it reads only when it starts."
        "Deploy in full when the new values are needed at once."

    // state
    20 StateShapeChanged "state-shape-changed" Block FORCE
        "{module} keeps state in running {behaviour} processes, whose shape changes ({change}), and has no code_change of its own."
        "Write code_change/3 that makes the new shape from the old; or override the module with `restart` in the settings."
    21 KeptStructConverted "kept-struct-converted" Care PLAIN
        "{module} may keep {struct}{by}, whose fields change ({change}); its code_change is its own."
        "Check that code_change converts the structs inside of the state too."
    22 KeptStructChanged "kept-struct-changed" Block FORCE
        "{module} may keep {struct}{by} in running processes; new code demands fields that it did not have ({change}), and no new code_change of the module gives it them."
        "Write code_change/3 for the module that keeps it; or override the module with `restart` in the settings."
    23 ConvertedDown "converted-down" Care PLAIN
        "{module} goes back to a version that does not know the state of the running one, whose code_change is to convert it down."
        "Check that code_change has a clause for {down, Vsn}."
    24 CodeChangeUntouched "code-change-untouched" Block FORCE
        "The shape of {module}'s state changes ({change}), and its code_change is still the one for an earlier step."
        "Have code_change make the new shape; or force it when it can."
    25 BehaviourChanged "behaviour-changed" Block FORCE
        "{module} was {from} and becomes {to}: running processes are of the old kind."
        "Deploy in full; or override the module with `restart` in the settings."
    26 ActorChanged "actor-changed" Block FORCE
        "{module} is a Gleam actor: a running one holds a function of the old module and cannot convert its state."
        "Deploy in full; or override the module with `restart` in the settings, which loses the actor's state."
    27 StatefulRemoved "stateful-removed" Block FORCE
        "{module} is gone, processes of it may run, and no supervisor changes that would stop them."
        "Deploy in full; or force it when nothing runs of it."
    28 SpecialProcess "special-process" Care PLAIN
        "{module} is a special process without a behaviour that is known; it is suspended and its system_code_change/4 is called."
        "Check that it handles system messages."
    29 RestartedByOverride "restarted-by-override" Care PLAIN
        "Processes of {module} are restarted, as the settings say; their state is lost."
        "Nothing to do."
    30 LoopInModule "loop-in-module" Care PLAIN
        "{module} starts processes that run its own code: those that never call it from outside stay in the old code."
        "Have the loop call itself with the module's name, or make it a gen_server. While one idles in the old code, the next upgrade of the module is refused."

    // modules
    31 NativeReload "native-reload" Block FORCE
        "{module} loads a native library, and whether that can be loaded again in a running node cannot be told."
        "Deploy in full; or force it when the library has an upgrade callback (ERL_NIF_INIT) and its file has a new name."
    32 NativeLibraryChanged "native-library-changed" Block FORCE
        "The native library {file} of {application} changes, and the node keeps the one that it has loaded."
        "Deploy in full."
    33 OnLoad "on-load" Block FORCE
        "{module} runs a function when it is loaded (on_load), which would run again beside the old module."
        "Deploy in full; or force it when the function may run twice."
    34 MissingFunction "missing-function" Note PLAIN
        "{caller} calls {function}, which the new version of {module} does not have."
        "Check the call: it fails after a full deployment too."
    35 ModuleMoved "module-moved" Note PLAIN
        "{module} moves from {from} to {to}."
        "Nothing to do."
    36 ProtocolChanged "protocol-changed" Note PLAIN
        "The consolidated protocol {module} changes."
        "Nothing to do: it is loaded from the new release."
    37 TableShapeChanged "table-shape-changed" Block FORCE
        "{module} keeps data in tables ({tables}), whose shape changes ({change}); rows that are there stay as they are."
        "Have the new code read old rows too and force it; or deploy in full."
    38 ConstantsOfStart "constants-of-start" Care PLAIN
        "{module} gives new {behaviour} processes other values at their start; running ones keep those that they have."
        "Nothing to do, or override the module with `restart` in the settings."
    39 ClientStateChanged "client-state-changed" Care PLAIN
        "{module} changes the state of running {behaviour} processes ({change}); one that misses something ends, and its client connects anew."
        "Nothing to do when clients connect anew by themselves."

    // supervisors and applications
    40 ChildrenReconciled "children-reconciled" Note PLAIN
        "The supervisor {module} changes: children are started and stopped as its init/1 now says. Those that stay keep the arguments that they were started with."
        "Nothing to do."
    41 RootChildren "root-children" Care PLAIN
        "{module} starts a supervisor with a list of children that no module holds, and changes: the new list is asked of its start function in a throwaway VM."
        "Use a module-based supervisor, or check in the plan of the running app what is started and stopped."
    42 StartNotRepeated "start-not-repeated" Care PLAIN
        "{module} is what {application} starts by, and changes: what start/2 now does is not done again in the running node."
        "Check that a running node does not miss it."
    43 ApplicationAdded "application-added" Note PLAIN
        "{application} {to} is new: it is loaded and started."
        "Nothing to do."
    44 ApplicationRemoved "application-removed" Care PLAIN
        "{application} {from} is gone: it is stopped and its modules are removed."
        "Check that nobody else uses it."
    45 ApplicationRestarted "application-restarted" Care PLAIN
        "{application} is stopped and started in the running node ({why}): its processes and connections end."
        "Deploy in full when the app is served by this application alone."
    46 SameVersionOtherContent "same-version-other-content" Note PLAIN
        "{application} {to} has other content under the same version."
        "Nothing to do."
    47 PrivateFilesChanged "private-files-changed" Note PLAIN
        "Files in priv of {application} change."
        "Nothing to do: its folder becomes that of the new version."
    48 CallbackChanged "callback-changed" Block FORCE
        "{application} gets another callback module ({from} to {to})."
        "Deploy in full; or force it, which stops and starts the application in the running node."
    49 IncludedChanged "included-changed" Block FORCE
        "{application} includes other applications ({change}), which its supervisors start."
        "Deploy in full."

    50 KeptStructPossible "kept-struct-possible" Care PLAIN
        "{module} may keep {struct}{by} in running processes, whose fields change ({change}); no pattern of the new code demands them."
        "Check that the new code gets on with structs of the old shape; or override the module with `restart` in the settings."
    51 StartedOtherwise "started-otherwise" Block FORCE
        "{module} starts its {behaviour} processes otherwise ({function} differs): running ones keep the names and options that they have."
        "Deploy in full; force it when name and options are the same; or override the module with `restart` in the settings."
    52 StartHasEffects "start-has-effects" Block FORCE
        "{module} changes what is done at the start ({effects}), which is not done again in the running node."
        "Deploy in full; or force it when a running node does not miss it."
    53 InitHasEffects "init-has-effects" Block FORCE
        "The supervisor {module} changes, and its init/1 may do more than say its children ({effects}), which asking it would do once more."
        "Move what has effects to a child of its own; or deploy in full."

    54 BothWays "both-ways" Block NEVER
        "Some states are converted up ({up}) and others down ({down}), which cannot be done in one step."
        "Deploy in full; or go through a version between the two."
    55 OnLoadAdded "on-load-added" Block NEVER
        "{module} is new and runs a function when it is loaded (on_load), so that it cannot be loaded together with the others."
        "Deploy in full."

    // what only the running node shows
    60 OtherCodeRuns "other-code-runs" Block NEVER
        "{module} runs in the node in another form than the package that was deployed holds."
        "Deploy in full: nobody knows what would be replaced."
    61 OldCodeInUse "old-code-in-use" Block FORCE
        "{process} still runs old code of {module}, left from an earlier upgrade; loading it again would kill the process."
        "Deploy in full; have the loop call itself with the module's name, or make it a gen_server."
    62 Unresponsive "unresponsive" Block FORCE
        "{process} did not answer a system message within {within}."
        "Look at what it does (bellrock info); deploy in full when it cannot be helped."
    63 Unsupervised "unsupervised" Block FORCE
        "{process} runs {module} outside of every supervision tree that is known, and is not converted."
        "Start it under a supervisor; or deploy in full."
    64 StoredFunction "stored-function" Block FORCE
        "{process} keeps an anonymous function of {module}, which breaks when the old code is purged."
        "Keep &Module.function/arity instead; or deploy in full."
    65 ManyProcesses "many-processes" Care PLAIN
        "{count} processes are suspended for about {pause}."
        "Deploy in full when that is too long."
    66 StatesNotKept "states-not-kept" Care PLAIN
        "The states to be converted take {bytes}, which is too much to keep a second time: there is no hot way back."
        "Nothing to do: a failure becomes a full deployment."
    67 NotReached "not-reached" Block NEVER
        "The node cannot be reached: {why}."
        "See bellrock status; deploy in full."
    68 ChildHoldsFunction "child-holds-function" Block NEVER
        "The new child {child} of {module} has a function or a process in its specification, which another VM cannot hand over."
        "Name functions as {Module, function, arguments}; or deploy in full."
    69 ChainLong "chain-long" Care PLAIN
        "The node was upgraded hot {count} times since it started."
        "Restart it at a calm moment: bellrock restart."
    70 KeepsOldCode "keeps-old-code" Care PLAIN
        "{who} goes on with the code of {module} that runs now ({detail})."
        "Nothing to do now: as long as it does, the next upgrade and the way back are full deployments."
    71 NodeRefuses "node-refuses" Block NEVER
        "The node would refuse it: {why}."
        "Deploy in full."

    // what the host finds out with VMs of the two versions, and in the settings
    72 ConfigUntold "config-untold" Block NEVER
        "What a start of {version} would configure cannot be told: {why}."
        "Deploy in full; when it fails there too, put the configuration right."
    73 RootUntold "root-untold" Block NEVER
        "With which children {application} would start its root supervisor cannot be told: {why}."
        "Use a module-based supervisor; or deploy in full."
    74 NotDoable "not-doable" Block NEVER
        "No node can be told what to do: {why}."
        "Deploy in full."
    75 SettingsOfStart "settings-of-start" Block NEVER
        "The settings of the app change what counts only at a start: {what}."
        "Deploy in full."

    // policy and appups
    80 AppupHonoured "appup-honoured" Note PLAIN
        "{application} brings an appup for {from} to {to}, which is followed."
        "Nothing to do."
    81 AppupUnmatched "appup-unmatched" Note PLAIN
        "{application} brings an appup that says nothing of {from} to {to}."
        "Nothing to do: the plan is made from the modules."
    82 AppupUnreadable "appup-unreadable" Care PLAIN
        "The appup of {application} cannot be read ({why}); the plan is made from the modules."
        "Put the appup right."
    83 AppupRestartsVm "appup-restarts-vm" Block FORCE
        "The appup of {application} asks for a new VM ({instruction})."
        "Deploy in full."
    84 AppupIncomplete "appup-incomplete" Care PLAIN
        "{module} changes, and the appup of {application} does not name it."
        "Add the module to the appup; it is loaded as the plan would have it without one."
    85 AppupUnsupported "appup-unsupported" Block NEVER
        "The appup of {application} has an instruction that is not known: {instruction}."
        "Put the appup right, or have it ignored in the settings."
    86 PolicyNever "policy-never" Block NEVER
        "The settings say upgrade = \"never\"."
        "Deploy in full, or change the setting."
    87 PolicyPackage "policy-package" Block NEVER
        "The settings say upgrade = \"package\", and {application} changes without an appup that says how."
        "Add an appup to the package, or set upgrade = \"auto\"."
    88 CareNotAccepted "care-not-accepted" Block NEVER
        "The settings do not accept {codes}."
        "Accept the code in the settings, remove its cause, or deploy in full."
}

impl Code {
    /// The code of a number.
    fn of_number(number: u16) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.rule().number == number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // padded as a whole, so that columns align
        f.pad(&format!("BR-H{:03}", self.rule().number))
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    /// `BR-H020`, in any case, or `H020`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.trim().to_ascii_uppercase();
        let digits = upper.strip_prefix("BR-").unwrap_or(&upper).strip_prefix('H');
        let digits =
            digits.filter(|digits| digits.len() == 3 && digits.bytes().all(|it| it.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.and_then(Code::of_number).ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_one_each_rise_and_are_read_back() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.rule().number));
        for (index, &code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(code.to_string().to_lowercase()[3..].parse(), Ok(code));
            let others = &Code::ALL[index + 1..];
            assert!(others.iter().all(|it| it.rule().number != code.rule().number), "{code} is there twice");
            assert!(
                others.iter().all(|it| it.rule().name != code.rule().name),
                "{code}'s name is there twice"
            );
        }
        for text in ["", "BR-H", "BR-H20", "BR-H999", "H+20", "X020", "BR-H0020"] {
            assert_eq!(text.parse::<Code>(), Err(UnknownCode(text.to_owned())));
        }
    }

    #[test]
    fn every_code_says_what_and_what_to_do() {
        for code in Code::ALL {
            let Rule { sentence, remedy, severity, can_be_forced, .. } = code.rule();
            assert!(
                sentence.ends_with('.') && remedy.ends_with('.'),
                "{code}: sentences end with a full stop"
            );
            assert!(!can_be_forced || *severity == Block, "{code}: only what blocks is forced");
        }
    }
}
