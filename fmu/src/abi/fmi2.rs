//! FMI 2.0: life cycle, get, set and step.

use super::raw::{self, Handle};
use crate::fault::{Fault, Status};
use crate::instance::{Instance, wrong_type};
use crate::log::{Log, category, escaped};
use crate::resources::Resources;
use crate::variable::Value;
use std::ffi::{c_char, c_int, c_uint, c_void};

type Logger = unsafe extern "C" fn(*mut c_void, *const c_char, c_int, *const c_char, *const c_char, ...);

/// `fmi2CallbackFunctions`. Memory functions and `stepFinished` are not used.
#[repr(C)]
pub struct Callbacks {
    logger: Option<Logger>,
    allocate_memory: *const c_void,
    free_memory: *const c_void,
    step_finished: *const c_void,
    component_environment: *mut c_void,
}

fn log(callbacks: Option<&Callbacks>, name: &str, is_verbose: bool) -> Log {
    let logger = callbacks.and_then(|c| c.logger);
    let environment = callbacks.map_or(std::ptr::null_mut(), |c| c.component_environment);
    let name = raw::c_string(name);
    let sink = move |status: Status, message: &str| {
        let Some(logger) = logger else { return };
        let (category, message) = (raw::c_string(category(status)), raw::c_string(&escaped(message)));
        // SAFETY: the host's logger, called as the standard says; the format has no conversions left.
        unsafe { logger(environment, name.as_ptr(), status as c_int, category.as_ptr(), message.as_ptr()) };
    };
    Log::new(Box::new(sink), is_verbose)
}

/// The platform of the header files.
#[unsafe(no_mangle)]
pub extern "C" fn fmi2GetTypesPlatform() -> *const c_char {
    c"default".as_ptr()
}

/// The version of the standard.
#[unsafe(no_mangle)]
pub extern "C" fn fmi2GetVersion() -> *const c_char {
    c"2.0".as_ptr()
}

/// Turns logging on or off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2SetDebugLogging(c: Handle, on: c_int, _: usize, _: *const *const c_char) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            instance.log().set_verbose(on != 0);
            Ok(Status::Ok)
        })
    }
}

/// Makes an instance; null if it cannot be made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2Instantiate(
    name: *const c_char,
    fmu_type: c_int,
    guid: *const c_char,
    resource_location: *const c_char,
    callbacks: *const Callbacks,
    _visible: c_int,
    logging_on: c_int,
) -> Handle {
    // SAFETY: see `raw`.
    let (name, guid, uri) = unsafe { (raw::text(name), raw::text(guid), raw::text(resource_location)) };
    // SAFETY: null or the host's structure; it is read here and not kept.
    let callbacks = unsafe { callbacks.as_ref() };
    raw::instantiate(|| {
        let log = log(callbacks, &name, logging_on != 0);
        if fmu_type != 1 {
            return Err((Fault::error("this FMU is for co-simulation only"), log));
        }
        Instance::new(&guid, Resources::from_uri(&uri), log)
    })
}

/// Ends an instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2FreeInstance(c: Handle) {
    // SAFETY: see `raw`.
    unsafe { raw::free(c) };
}

/// Sets the start of the experiment; tolerance and stop time are not needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2SetupExperiment(c: Handle, _: c_int, _: f64, start: f64, _: c_int, _: f64) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.set_up(start).map(|()| Status::Ok)) }
}

/// Initialization begins.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2EnterInitializationMode(c: Handle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.enter_initialization().map(|()| Status::Ok)) }
}

/// Initialization ends; files are loaded here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2ExitInitializationMode(c: Handle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.exit_initialization().map(|()| Status::Ok)) }
}

/// The simulation ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2Terminate(c: Handle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.terminate().map(|()| Status::Ok)) }
}

/// Back to just after instantiation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2Reset(c: Handle) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            instance.reset();
            Ok(Status::Ok)
        })
    }
}

/// Reads one value of a type; the macro arms name the variant and how it becomes the C type.
macro_rules! get {
    ($name:ident, $c_type:ty, $variant:ident, $type_name:literal, $convert:expr) => {
        /// Reads variables of this type.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(c: Handle, vr: *const c_uint, count: usize, values: *mut $c_type) -> Status {
            // SAFETY: see `raw`.
            unsafe {
                raw::call(c, |instance| {
                    let (references, values) = (raw::read(vr, count)?, raw::write(values, count)?);
                    for (reference, slot) in references.iter().zip(values) {
                        *slot = match instance.value(*reference)? {
                            Value::$variant(value) => $convert(*value),
                            _ => return Err(super::fmi2::mismatch(instance, *reference, $type_name)),
                        };
                    }
                    Ok(Status::Ok)
                })
            }
        }
    };
}

/// Writes values of a type.
macro_rules! set {
    ($name:ident, $c_type:ty, $variant:ident, $convert:expr) => {
        /// Sets variables of this type.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(c: Handle, vr: *const c_uint, count: usize, values: *const $c_type) -> Status {
            // SAFETY: see `raw`.
            unsafe {
                raw::call(c, |instance| {
                    let (references, values) = (raw::read(vr, count)?, raw::read(values, count)?);
                    let values = values.iter().map(|value| Value::$variant($convert(*value)));
                    instance.assign(references.iter().copied().zip(values).collect())?;
                    Ok(Status::Ok)
                })
            }
        }
    };
}

/// The fault for a variable that has another type than the function.
pub(super) fn mismatch(instance: &mut Instance, reference: u32, asked: &str) -> Fault {
    instance.row(reference).map_or_else(|fault| fault, |row| wrong_type(row, asked))
}

get!(fmi2GetReal, f64, Real, "Real", f64::from);
get!(fmi2GetInteger, c_int, Integer, "Integer", c_int::from);
get!(fmi2GetBoolean, c_int, Boolean, "Boolean", c_int::from);
set!(fmi2SetReal, f64, Real, f64::from);
set!(fmi2SetInteger, c_int, Integer, i32::from);
set!(fmi2SetBoolean, c_int, Boolean, |value: c_int| value != 0);
set!(fmi2SetString, *const c_char, Text, |value| raw::text(value));

/// Reads texts; they stay valid until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetString(
    c: Handle,
    vr: *const c_uint,
    count: usize,
    values: *mut *const c_char,
) -> Status {
    // SAFETY: see `raw`.
    unsafe { get_texts(c, vr, count, values) }
}

/// Texts of both standards.
///
/// # Safety
/// See [`raw`].
pub(super) unsafe fn get_texts(c: Handle, vr: *const c_uint, count: usize, values: *mut *const c_char) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            let (references, values) = (raw::read(vr, count)?, raw::write(values, count)?);
            instance.strings().clear();
            for (reference, slot) in references.iter().zip(values) {
                let Value::Text(text) = instance.value(*reference)? else {
                    return Err(mismatch(instance, *reference, "String"));
                };
                let text = raw::c_string(text);
                // The heap block of a CString stays where it is when the vector grows.
                *slot = text.as_ptr();
                instance.strings().push(text);
            }
            Ok(Status::Ok)
        })
    }
}

/// One communication step.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2DoStep(c: Handle, from: f64, size: f64, _no_set_state_before: c_int) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.step(from, size)) }
}
