//! FMI 3.0: types that no variable has, and functions of capabilities that the models do not have. Hosts look all of
//! them up, so they exist; they answer with an error that names the function.

use super::raw::{self, Handle};
use crate::fault::{Fault, Status};

/// Get and set for types without variables: nothing asked is well answered.
macro_rules! no_variables {
    ($($name:ident)*) => {$(
        /// No variable has this type. The arguments after the references are not looked at.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(c: Handle, vr: *const u32, count: usize) -> Status {
            // SAFETY: see `raw`.
            unsafe {
                raw::call(c, |_| match raw::read(vr, count)?.first() {
                    None => Ok(Status::Ok),
                    Some(first) => {
                        Err(Fault::error(format!("{}: variable {first} is not of that type", stringify!($name))))
                    }
                })
            }
        }
    )*};
}

// A C function may be declared with fewer parameters than it is called with on every platform that the gateway is built
// for: the caller cleans up.
no_variables! {
    fmi3GetFloat32 fmi3GetInt8 fmi3GetUInt8 fmi3GetInt16 fmi3GetUInt16 fmi3GetUInt32 fmi3GetInt64 fmi3GetUInt64
    fmi3GetBinary fmi3GetClock
    fmi3SetFloat32 fmi3SetInt8 fmi3SetUInt8 fmi3SetInt16 fmi3SetUInt16 fmi3SetUInt32 fmi3SetInt64 fmi3SetUInt64
    fmi3SetBinary fmi3SetClock
    fmi3GetIntervalDecimal fmi3GetIntervalFraction fmi3GetShiftDecimal fmi3GetShiftFraction
    fmi3SetIntervalDecimal fmi3SetIntervalFraction fmi3SetShiftDecimal fmi3SetShiftFraction
    fmi3GetOutputDerivatives
}

macro_rules! unsupported {
    ($($name:ident)*) => {$(
        /// Not a capability of the models. Arguments are not looked at.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(c: Handle) -> Status {
            // SAFETY: see `raw`.
            unsafe { raw::call(c, |_| Err(Fault::error(concat!(stringify!($name), " is not supported")))) }
        }
    )*};
}

unsupported! {
    fmi3EnterEventMode fmi3EnterConfigurationMode fmi3ExitConfigurationMode
    fmi3GetDirectionalDerivative fmi3GetAdjointDerivative
    fmi3EvaluateDiscreteStates fmi3UpdateDiscreteStates fmi3EnterContinuousTimeMode fmi3CompletedIntegratorStep
    fmi3SetTime fmi3SetContinuousStates fmi3GetContinuousStateDerivatives fmi3GetEventIndicators
    fmi3GetContinuousStates fmi3GetNominalsOfContinuousStates fmi3GetNumberOfEventIndicators
    fmi3GetNumberOfContinuousStates fmi3EnterStepMode fmi3ActivateModelPartition
}

macro_rules! other_interfaces {
    ($($name:ident)*) => {$(
        /// The models are for co-simulation only.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> Handle {
            std::ptr::null_mut()
        }
    )*};
}

other_interfaces! { fmi3InstantiateModelExchange fmi3InstantiateScheduledExecution }
