//! Points: what a device file says about one value at a device. (Filled by the driver work.)
