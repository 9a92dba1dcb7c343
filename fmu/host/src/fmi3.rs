//! The functions of FMI 3.0.

use crate::error::{HostError, status_name};
use crate::fmi2::{c_string, load, symbol};
use crate::journal::Journal;
use crate::{Origin, Type};
use libloading::Library;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

type Instance = *mut c_void;
type Call = unsafe extern "C" fn(Instance) -> c_int;
type LogMessage = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *const c_char);
type Instantiate = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const c_char,
    bool,
    bool,
    bool,
    bool,
    *const u32,
    usize,
    *mut c_void,
    LogMessage,
    *const c_void,
) -> Instance;
type Enter = unsafe extern "C" fn(Instance, bool, f64, f64, bool, f64) -> c_int;
type DoStep = unsafe extern "C" fn(Instance, f64, f64, bool, *mut u8, *mut u8, *mut u8, *mut f64) -> c_int;
type Get<T> = unsafe extern "C" fn(Instance, *const u32, usize, *mut T, usize) -> c_int;
type Set<T> = unsafe extern "C" fn(Instance, *const u32, usize, *const T, usize) -> c_int;

unsafe extern "C" fn log_message(environment: *mut c_void, status: c_int, _: *const c_char, message: *const c_char) {
    // SAFETY: the environment given at instantiation lives as long as the instance.
    let journal = unsafe { environment.cast::<Journal>().as_ref() };
    // As in FMI 2.0: logging is on, chatter is left out.
    if let Some(journal) = journal.filter(|_| !message.is_null() && status > 0) {
        // SAFETY: a zero-terminated string by the standard.
        journal.add(&unsafe { CStr::from_ptr(message) }.to_string_lossy());
    }
}

struct Functions {
    enter: Enter,
    exit: Call,
    terminate: Call,
    free: unsafe extern "C" fn(Instance),
    set_string: Set<*const c_char>,
    do_step: DoStep,
}

/// An instance. Fields are dropped in order: the library goes last.
pub struct Slave3 {
    instance: Instance,
    functions: Functions,
    journal: Box<Journal>,
    origin: Origin,
    library: Library,
}

impl Drop for Slave3 {
    fn drop(&mut self) {
        // SAFETY: a live instance, freed once.
        unsafe { (self.functions.free)(self.instance) };
    }
}

fn functions(library: &Library, origin: &Origin) -> Result<Functions, HostError> {
    // SAFETY: the types are those of the standard's header files.
    unsafe {
        Ok(Functions {
            enter: symbol(library, origin, "fmi3EnterInitializationMode")?,
            exit: symbol(library, origin, "fmi3ExitInitializationMode")?,
            terminate: symbol(library, origin, "fmi3Terminate")?,
            free: symbol(library, origin, "fmi3FreeInstance")?,
            set_string: symbol(library, origin, "fmi3SetString")?,
            do_step: symbol(library, origin, "fmi3DoStep")?,
        })
    }
}

/// A number of one of the standard's types.
trait Number: Copy + Default {
    fn to_f64(self) -> f64;
    /// Nearest value; `None` if it does not fit.
    fn from_f64(value: f64) -> Option<Self>;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Number for $type {
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn from_f64(value: f64) -> Option<Self> {
                let rounded = value.round();
                // Saturating, so a number that does not fit does not come back.
                let integer = rounded as $type;
                (integer as f64 == rounded).then_some(integer)
            }
        }
    )*};
}
integers! { i8 u8 i16 u16 i32 u32 i64 u64 }

impl Number for f64 {
    fn to_f64(self) -> f64 {
        self
    }
    fn from_f64(value: f64) -> Option<Self> {
        Some(value)
    }
}
impl Number for f32 {
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn from_f64(value: f64) -> Option<Self> {
        Some(value as f32)
    }
}

impl Slave3 {
    pub fn new(origin: &Origin) -> Result<Self, HostError> {
        let library = load(origin)?;
        let functions = functions(&library, origin)?;
        // SAFETY: the type is that of the standard's header file.
        let instantiate: Instantiate = unsafe { symbol(&library, origin, "fmi3InstantiateCoSimulation")? };
        let journal = Box::new(Journal::default());
        let environment = std::ptr::from_ref::<Journal>(&journal).cast_mut().cast();
        // The standard wants a trailing separator.
        let resources = format!("{}{}", origin.resources.display(), std::path::MAIN_SEPARATOR);
        let (name, token, resources) = (c_string(&origin.name), c_string(&origin.token), c_string(&resources));
        let none = std::ptr::null();
        // SAFETY: arguments as the standard says; the journal outlives the instance.
        let instance = unsafe {
            instantiate(
                name.as_ptr(),
                token.as_ptr(),
                resources.as_ptr(),
                false,
                true,
                false,
                false,
                none,
                0,
                environment,
                log_message,
                std::ptr::null(),
            )
        };
        if instance.is_null() {
            let log = journal.take();
            return Err(HostError::Status {
                function: "fmi3InstantiateCoSimulation",
                status: "refused".to_owned(),
                log,
            });
        }
        Ok(Self { instance, functions, journal, origin: origin.clone(), library })
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
        let status = unsafe { (self.functions.enter)(self.instance, false, 0.0, start, true, stop) };
        self.judge("fmi3EnterInitializationMode", status)
    }

    pub fn exit_initialization(&mut self) -> Result<(), HostError> {
        // SAFETY: a live instance.
        self.judge("fmi3ExitInitializationMode", unsafe { (self.functions.exit)(self.instance) })
    }

    pub fn terminate(&mut self) -> Result<(), HostError> {
        // SAFETY: a live instance.
        self.judge("fmi3Terminate", unsafe { (self.functions.terminate)(self.instance) })
    }

    pub fn step(&mut self, time: f64, size: f64) -> Result<(), HostError> {
        // C bools are bytes; a foreign one may hold any bit pattern.
        let (mut event, mut end, mut early, mut last) = (0, 0, 0, time);
        // SAFETY: a live instance and four results.
        let status = unsafe {
            (self.functions.do_step)(self.instance, time, size, true, &mut event, &mut end, &mut early, &mut last)
        };
        self.judge("fmi3DoStep", status)?;
        let refuse = |status: &str| {
            Err(HostError::Status { function: "fmi3DoStep", status: status.to_owned(), log: self.journal.take() })
        };
        match (end != 0, early != 0) {
            (true, _) => refuse("the FMU asks to end the simulation"),
            (_, true) => refuse("returned early although it may not"),
            (false, false) => Ok(()),
        }
    }

    fn get<T: Number>(&self, function: &'static str, reference: u32) -> Result<f64, HostError> {
        let mut value = T::default();
        // SAFETY: the type parameter and the name are paired in `number`.
        let get: Get<T> = unsafe { symbol(&self.library, &self.origin, function)? };
        // SAFETY: a live instance, one reference, one value.
        self.judge(function, unsafe { get(self.instance, &reference, 1, &mut value, 1) })?;
        Ok(value.to_f64())
    }

    fn set<T: Number>(&self, function: &'static str, reference: u32, value: f64) -> Result<(), HostError> {
        let fitting = T::from_f64(value).ok_or_else(|| HostError::Value { reference, value: value.to_string() })?;
        // SAFETY: the type parameter and the name are paired in `set_number`.
        let set: Set<T> = unsafe { symbol(&self.library, &self.origin, function)? };
        // SAFETY: a live instance, one reference, one value.
        self.judge(function, unsafe { set(self.instance, &reference, 1, &fitting, 1) })
    }

    pub fn number(&mut self, kind: Type, reference: u32) -> Result<f64, HostError> {
        match kind {
            Type::Float32 => self.get::<f32>("fmi3GetFloat32", reference),
            Type::Float64 => self.get::<f64>("fmi3GetFloat64", reference),
            Type::Int8 => self.get::<i8>("fmi3GetInt8", reference),
            Type::UInt8 => self.get::<u8>("fmi3GetUInt8", reference),
            Type::Int16 => self.get::<i16>("fmi3GetInt16", reference),
            Type::UInt16 => self.get::<u16>("fmi3GetUInt16", reference),
            Type::Int32 => self.get::<i32>("fmi3GetInt32", reference),
            Type::UInt32 => self.get::<u32>("fmi3GetUInt32", reference),
            Type::Int64 => self.get::<i64>("fmi3GetInt64", reference),
            Type::UInt64 => self.get::<u64>("fmi3GetUInt64", reference),
            // A C bool is one byte; any bit pattern may come back.
            Type::Boolean => self.get::<u8>("fmi3GetBoolean", reference).map(|v| f64::from(u8::from(v != 0.0))),
        }
    }

    pub fn set_number(&mut self, kind: Type, reference: u32, value: f64) -> Result<(), HostError> {
        match kind {
            Type::Float32 => self.set::<f32>("fmi3SetFloat32", reference, value),
            Type::Float64 => self.set::<f64>("fmi3SetFloat64", reference, value),
            Type::Int8 => self.set::<i8>("fmi3SetInt8", reference, value),
            Type::UInt8 => self.set::<u8>("fmi3SetUInt8", reference, value),
            Type::Int16 => self.set::<i16>("fmi3SetInt16", reference, value),
            Type::UInt16 => self.set::<u16>("fmi3SetUInt16", reference, value),
            Type::Int32 => self.set::<i32>("fmi3SetInt32", reference, value),
            Type::UInt32 => self.set::<u32>("fmi3SetUInt32", reference, value),
            Type::Int64 => self.set::<i64>("fmi3SetInt64", reference, value),
            Type::UInt64 => self.set::<u64>("fmi3SetUInt64", reference, value),
            Type::Boolean => self.set::<u8>("fmi3SetBoolean", reference, f64::from(u8::from(value >= 0.5))),
        }
    }

    pub fn set_text(&mut self, reference: u32, value: &str) -> Result<(), HostError> {
        let text = CString::new(value).map_err(|_| HostError::Value { reference, value: format!("{value:?}") })?;
        // SAFETY: a live instance, one reference, one string that lives through the call.
        let status = unsafe { (self.functions.set_string)(self.instance, &reference, 1, &text.as_ptr(), 1) };
        self.judge("fmi3SetString", status)
    }
}
