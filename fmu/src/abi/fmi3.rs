//! FMI 3.0: life cycle, get, set and step.

use super::fmi2::{get_texts, mismatch};
use super::raw::{self, Handle};
use crate::describe::TIME_REFERENCE;
use crate::fault::{Fault, Status};
use crate::instance::Instance;
use crate::log::{Log, category};
use crate::resources::Resources;
use crate::variable::Value;
use std::ffi::{c_char, c_int, c_void};

type LogMessage = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *const c_char);

fn log(logger: Option<LogMessage>, environment: *mut c_void, is_verbose: bool) -> Log {
    let sink = move |status: Status, message: &str| {
        let Some(logger) = logger else { return };
        let (category, message) = (raw::c_string(category(status)), raw::c_string(message));
        // SAFETY: the host's logger, called as the standard says. Unlike in FMI 2.0 the message is not a format.
        unsafe { logger(environment, status as c_int, category.as_ptr(), message.as_ptr()) };
    };
    Log::new(Box::new(sink), is_verbose)
}

/// The version of the standard.
#[unsafe(no_mangle)]
pub extern "C" fn fmi3GetVersion() -> *const c_char {
    c"3.0".as_ptr()
}

/// Turns logging on or off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3SetDebugLogging(c: Handle, on: bool, _: usize, _: *const *const c_char) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            instance.log().set_verbose(on);
            Ok(Status::Ok)
        })
    }
}

/// Makes an instance; null if it cannot be made. Event mode, early return and intermediate updates are not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3InstantiateCoSimulation(
    _name: *const c_char,
    token: *const c_char,
    resource_path: *const c_char,
    _visible: bool,
    logging_on: bool,
    event_mode_used: bool,
    _early_return_allowed: bool,
    _required_intermediate: *const u32,
    _required_count: usize,
    environment: *mut c_void,
    logger: Option<LogMessage>,
    _intermediate_update: *const c_void,
) -> Handle {
    // SAFETY: see `raw`.
    let (token, path) = unsafe { (raw::text(token), raw::text(resource_path)) };
    raw::instantiate(|| {
        let log = log(logger, environment, logging_on);
        if event_mode_used {
            return Err((Fault::error("event mode is not supported"), log));
        }
        Instance::new(&token, Ok(Resources::from_path(&path)), log)
    })
}

/// Ends an instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3FreeInstance(c: Handle) {
    // SAFETY: see `raw`.
    unsafe { raw::free(c) };
}

/// Initialization begins; tolerance and stop time are not needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3EnterInitializationMode(
    c: Handle,
    _tolerance_defined: bool,
    _tolerance: f64,
    start: f64,
    _stop_defined: bool,
    _stop: f64,
) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            instance.set_up(start)?;
            instance.enter_initialization()?;
            Ok(Status::Ok)
        })
    }
}

/// Initialization ends; files are loaded here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3ExitInitializationMode(c: Handle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.exit_initialization().map(|()| Status::Ok)) }
}

/// The simulation ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3Terminate(c: Handle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.terminate().map(|()| Status::Ok)) }
}

/// Back to just after instantiation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3Reset(c: Handle) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            instance.reset();
            Ok(Status::Ok)
        })
    }
}

/// Every variable is a scalar, so there are as many values as references.
fn expect_scalars(references: usize, values: usize) -> Result<(), Fault> {
    if references == values {
        return Ok(());
    }
    Err(Fault::error(format!("{references} variables have as many values, not {values}")))
}

macro_rules! get {
    ($name:ident, $c_type:ty, $variant:ident, $type_name:literal) => {
        /// Reads variables of this type.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            c: Handle,
            vr: *const u32,
            count: usize,
            values: *mut $c_type,
            value_count: usize,
        ) -> Status {
            // SAFETY: see `raw`.
            unsafe {
                raw::call(c, |instance| {
                    expect_scalars(count, value_count)?;
                    let (references, values) = (raw::read(vr, count)?, raw::write(values, count)?);
                    for (reference, slot) in references.iter().zip(values) {
                        if *reference == TIME_REFERENCE {
                            *slot = time_as(instance, $type_name)?;
                            continue;
                        }
                        *slot = match instance.value(*reference)? {
                            Value::$variant(value) => *value,
                            _ => return Err(mismatch(instance, *reference, $type_name)),
                        };
                    }
                    Ok(Status::Ok)
                })
            }
        }
    };
}

/// Types that the independent variable may be asked for as.
trait Time: Sized {
    fn from_time(time: f64) -> Option<Self>;
}

impl Time for f64 {
    fn from_time(time: f64) -> Option<Self> {
        Some(time)
    }
}
impl Time for i32 {
    fn from_time(_: f64) -> Option<Self> {
        None
    }
}
impl Time for bool {
    fn from_time(_: f64) -> Option<Self> {
        None
    }
}

/// The independent variable has no row: its value is the clock.
fn time_as<T: Time>(instance: &Instance, asked: &str) -> Result<T, Fault> {
    T::from_time(instance.now()).ok_or_else(|| Fault::error(format!("time is a Float64, not a {asked}")))
}

macro_rules! set {
    ($name:ident, $c_type:ty, $variant:ident, $convert:expr) => {
        /// Sets variables of this type.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            c: Handle,
            vr: *const u32,
            count: usize,
            values: *const $c_type,
            value_count: usize,
        ) -> Status {
            // SAFETY: see `raw`.
            unsafe {
                raw::call(c, |instance| {
                    expect_scalars(count, value_count)?;
                    let (references, values) = (raw::read(vr, count)?, raw::read(values, count)?);
                    let values = values.iter().map(|value| Value::$variant($convert(*value)));
                    instance.assign(references.iter().copied().zip(values).collect())?;
                    Ok(Status::Ok)
                })
            }
        }
    };
}

get!(fmi3GetFloat64, f64, Real, "Float64");
get!(fmi3GetInt32, i32, Integer, "Int32");
get!(fmi3GetBoolean, bool, Boolean, "Boolean");
set!(fmi3SetFloat64, f64, Real, f64::from);
set!(fmi3SetInt32, i32, Integer, i32::from);
// A C bool of another bit pattern than 0 or 1 would be undefined as a Rust bool.
set!(fmi3SetBoolean, u8, Boolean, |value: u8| value != 0);
set!(fmi3SetString, *const c_char, Text, |value| raw::text(value));

/// Reads texts; they stay valid until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3GetString(
    c: Handle,
    vr: *const u32,
    count: usize,
    values: *mut *const c_char,
    value_count: usize,
) -> Status {
    // SAFETY: see `raw`; as many values as references are written at most.
    unsafe { get_texts(c, vr, count.min(value_count), values) }
}

/// One communication step. Never returns early, never asks to end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3DoStep(
    c: Handle,
    from: f64,
    size: f64,
    _no_set_state_before: bool,
    event_handling_needed: *mut bool,
    terminate_simulation: *mut bool,
    early_return: *mut bool,
    last_successful_time: *mut f64,
) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            for flag in [event_handling_needed, terminate_simulation, early_return] {
                raw::put(flag, false)?;
            }
            raw::put(last_successful_time, instance.now())?;
            let status = instance.step(from, size)?;
            raw::put(last_successful_time, instance.now())?;
            Ok(status)
        })
    }
}
