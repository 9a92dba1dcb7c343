//! The functions of FMI 2.0.

use crate::error::{HostError, status_name};
use crate::journal::Journal;
use crate::{Origin, Type, uri};
use libloading::Library;
use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};

type Component = *mut c_void;
type Call = unsafe extern "C" fn(Component) -> c_int;

/// `fmi2CallbackFunctions`.
#[repr(C)]
struct Callbacks {
    logger: unsafe extern "C" fn(*mut c_void, *const c_char, c_int, *const c_char, *const c_char),
    allocate: unsafe extern "C" fn(usize, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    step_finished: *const c_void,
    environment: *mut c_void,
}

unsafe extern "C" {
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn free(pointer: *mut c_void);
}

/// Receives the FMU's log. The C type has variable arguments, which Rust cannot define; the fixed ones arrive in the same
/// places on every platform that the gateway is built for, and the format is shown unexpanded.
unsafe extern "C" fn logger(
    environment: *mut c_void,
    _: *const c_char,
    status: c_int,
    _: *const c_char,
    message: *const c_char,
) {
    // Logging is on, because many FMUs otherwise keep the reason of a failure to themselves; chatter is left out.
    // SAFETY: the environment given at instantiation lives as long as the instance.
    let journal = unsafe { environment.cast::<Journal>().as_ref() };
    if let Some(journal) = journal.filter(|_| !message.is_null() && status > 0) {
        // SAFETY: a zero-terminated string by the standard.
        journal.add(&unsafe { CStr::from_ptr(message) }.to_string_lossy());
    }
}

type Instantiate = unsafe extern "C" fn(
    *const c_char,
    c_int,
    *const c_char,
    *const c_char,
    *const Callbacks,
    c_int,
    c_int,
) -> Component;
type SetUp = unsafe extern "C" fn(Component, c_int, f64, f64, c_int, f64) -> c_int;
type Get<T> = unsafe extern "C" fn(Component, *const c_uint, usize, *mut T) -> c_int;
type Set<T> = unsafe extern "C" fn(Component, *const c_uint, usize, *const T) -> c_int;
type DoStep = unsafe extern "C" fn(Component, f64, f64, c_int) -> c_int;

/// The functions used, copied out of the library that [`Slave2`] keeps loaded.
struct Functions {
    set_up: SetUp,
    enter: Call,
    exit: Call,
    terminate: Call,
    free: unsafe extern "C" fn(Component),
    get_real: Get<f64>,
    get_integer: Get<c_int>,
    get_boolean: Get<c_int>,
    set_real: Set<f64>,
    set_integer: Set<c_int>,
    set_boolean: Set<c_int>,
    set_string: Set<*const c_char>,
    do_step: DoStep,
}

/// An instance. Fields are dropped in order: the library goes last.
pub struct Slave2 {
    component: Component,
    functions: Functions,
    /// Referred to by the instance for its whole life.
    _callbacks: Box<Callbacks>,
    journal: Box<Journal>,
    _library: Library,
}

impl Drop for Slave2 {
    fn drop(&mut self) {
        // SAFETY: a live instance, freed once.
        unsafe { (self.functions.free)(self.component) };
    }
}

/// Looks a function up.
///
/// # Safety
/// `T` is the function's type.
pub(crate) unsafe fn symbol<T: Copy>(library: &Library, origin: &Origin, name: &str) -> Result<T, HostError> {
    // SAFETY: the type is right by contract.
    let found = unsafe { library.get::<T>(name.as_bytes()) };
    found
        .map(|function| *function)
        .map_err(|_| HostError::Symbol { library: origin.library.clone(), symbol: name.to_owned() })
}

/// Loads the FMU's library.
pub(crate) fn load(origin: &Origin) -> Result<Library, HostError> {
    // SAFETY: initializers of a foreign library run here; the crate's documentation says whom to trust.
    unsafe { Library::new(&origin.library) }
        .map_err(|error| HostError::Load { library: origin.library.clone(), reason: in_full(&error) })
}

/// An error with what it came from: "dlopen failed" alone does not name the library that is missing.
fn in_full(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A C string without its zero bytes.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

fn functions(library: &Library, origin: &Origin) -> Result<Functions, HostError> {
    // SAFETY: the types are those of the standard's header files.
    unsafe {
        Ok(Functions {
            set_up: symbol(library, origin, "fmi2SetupExperiment")?,
            enter: symbol(library, origin, "fmi2EnterInitializationMode")?,
            exit: symbol(library, origin, "fmi2ExitInitializationMode")?,
            terminate: symbol(library, origin, "fmi2Terminate")?,
            free: symbol(library, origin, "fmi2FreeInstance")?,
            get_real: symbol(library, origin, "fmi2GetReal")?,
            get_integer: symbol(library, origin, "fmi2GetInteger")?,
            get_boolean: symbol(library, origin, "fmi2GetBoolean")?,
            set_real: symbol(library, origin, "fmi2SetReal")?,
            set_integer: symbol(library, origin, "fmi2SetInteger")?,
            set_boolean: symbol(library, origin, "fmi2SetBoolean")?,
            set_string: symbol(library, origin, "fmi2SetString")?,
            do_step: symbol(library, origin, "fmi2DoStep")?,
        })
    }
}

impl Slave2 {
    pub fn new(origin: &Origin) -> Result<Self, HostError> {
        let library = load(origin)?;
        let functions = functions(&library, origin)?;
        // SAFETY: the type is that of the standard's header file.
        let instantiate: Instantiate = unsafe { symbol(&library, origin, "fmi2Instantiate")? };
        let journal = Box::new(Journal::default());
        let environment = std::ptr::from_ref::<Journal>(&journal).cast_mut().cast();
        let callbacks =
            Box::new(Callbacks { logger, allocate: calloc, free, step_finished: std::ptr::null(), environment });
        let (name, token, uri) = (c_string(&origin.name), c_string(&origin.token), c_string(&uri(&origin.resources)));
        // SAFETY: arguments as the standard says; callbacks and journal outlive the instance.
        let component = unsafe {
            instantiate(name.as_ptr(), 1, token.as_ptr(), uri.as_ptr(), std::ptr::from_ref(&*callbacks), 0, 1)
        };
        if component.is_null() {
            return Err(HostError::Status {
                function: "fmi2Instantiate",
                status: "refused".to_owned(),
                log: journal.take(),
            });
        }
        Ok(Self { component, functions, _callbacks: callbacks, journal, _library: library })
    }

    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    fn judge(&self, function: &'static str, status: c_int) -> Result<(), HostError> {
        if status <= 1 {
            return Ok(());
        }
        Err(HostError::Status { function, status: status_name(status), log: self.journal.take() })
    }

    pub fn enter_initialization(&mut self, start: f64, stop: f64) -> Result<(), HostError> {
        // SAFETY: a live instance.
        self.judge("fmi2SetupExperiment", unsafe { (self.functions.set_up)(self.component, 0, 0.0, start, 1, stop) })?;
        // SAFETY: a live instance.
        self.judge("fmi2EnterInitializationMode", unsafe { (self.functions.enter)(self.component) })
    }

    pub fn exit_initialization(&mut self) -> Result<(), HostError> {
        // SAFETY: a live instance.
        self.judge("fmi2ExitInitializationMode", unsafe { (self.functions.exit)(self.component) })
    }

    pub fn terminate(&mut self) -> Result<(), HostError> {
        // SAFETY: a live instance.
        self.judge("fmi2Terminate", unsafe { (self.functions.terminate)(self.component) })
    }

    pub fn step(&mut self, time: f64, size: f64) -> Result<(), HostError> {
        // SAFETY: a live instance.
        self.judge("fmi2DoStep", unsafe { (self.functions.do_step)(self.component, time, size, 1) })
    }

    pub fn number(&mut self, kind: Type, reference: u32) -> Result<f64, HostError> {
        let (mut real, mut integer) = (0.0, 0);
        let (function, status) = match kind {
            // SAFETY: a live instance, one reference, one value.
            Type::Float64 => {
                // SAFETY: a live instance, one reference, one value.
                let status = unsafe { (self.functions.get_real)(self.component, &reference, 1, &mut real) };
                ("fmi2GetReal", status)
            }
            // SAFETY: as above.
            Type::Boolean => {
                // SAFETY: a live instance, one reference, one value.
                let status = unsafe { (self.functions.get_boolean)(self.component, &reference, 1, &mut integer) };
                ("fmi2GetBoolean", status)
            }
            // SAFETY: as above.
            _ => {
                // SAFETY: a live instance, one reference, one value.
                let status = unsafe { (self.functions.get_integer)(self.component, &reference, 1, &mut integer) };
                ("fmi2GetInteger", status)
            }
        };
        self.judge(function, status)?;
        Ok(if kind == Type::Float64 { real } else { f64::from(integer) })
    }

    pub fn set_number(&mut self, kind: Type, reference: u32, value: f64) -> Result<(), HostError> {
        let (function, status) = match kind {
            // SAFETY: a live instance, one reference, one value.
            Type::Float64 => {
                // SAFETY: a live instance, one reference, one value.
                let status = unsafe { (self.functions.set_real)(self.component, &reference, 1, &value) };
                ("fmi2SetReal", status)
            }
            Type::Boolean => {
                let value = c_int::from(value >= 0.5);
                // SAFETY: as above.
                // SAFETY: a live instance, one reference, one value.
                let status = unsafe { (self.functions.set_boolean)(self.component, &reference, 1, &value) };
                ("fmi2SetBoolean", status)
            }
            _ => {
                let value = integer(reference, value)?;
                // SAFETY: as above.
                // SAFETY: a live instance, one reference, one value.
                let status = unsafe { (self.functions.set_integer)(self.component, &reference, 1, &value) };
                ("fmi2SetInteger", status)
            }
        };
        self.judge(function, status)
    }

    pub fn set_text(&mut self, reference: u32, value: &str) -> Result<(), HostError> {
        let text = CString::new(value).map_err(|_| HostError::Value { reference, value: format!("{value:?}") })?;
        // SAFETY: a live instance, one reference, one string that lives through the call.
        let status = unsafe { (self.functions.set_string)(self.component, &reference, 1, &text.as_ptr()) };
        self.judge("fmi2SetString", status)
    }
}

fn integer(reference: u32, value: f64) -> Result<c_int, HostError> {
    let rounded = value.round();
    if (f64::from(c_int::MIN)..=f64::from(c_int::MAX)).contains(&rounded) {
        // In range, so the conversion is exact.
        return Ok(rounded as c_int);
    }
    Err(HostError::Value { reference, value: value.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// The loader's words name the library that is missing, which may be one that the FMU's own needs.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_that_cannot_be_loaded_is_named_in_the_loaders_own_words() {
        let (library, resources) = (PathBuf::from("/nowhere/missing.so"), PathBuf::new());
        let version = crate::Version::Two;
        let origin = Origin { version, library, resources, token: String::new(), name: String::new() };
        let said = load(&origin).map(|_| ()).map_err(|error| error.to_string());
        let words = "/nowhere/missing.so: cannot open shared object file";
        assert!(said.as_ref().is_err_and(|said| said.contains(words)), "{said:?}");
    }
}
