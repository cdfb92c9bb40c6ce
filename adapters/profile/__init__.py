"""Device profiles: what a device's topics, registers or pictures mean in the trade's words.

A profile is data, one YAML file per vendor and model in `config/profiles/`; it holds a product's
numbers so that a driver does not. The models say what may stand in one.
"""

from adapters.profile.camera import CameraSection
from adapters.profile.document import Profile, ProfileError, check_profile, load_profile
from adapters.profile.modbus import ModbusSection
from adapters.profile.model import Capture
from adapters.profile.mqtt import MqttSection

__all__ = [
    "CameraSection",
    "Capture",
    "ModbusSection",
    "MqttSection",
    "Profile",
    "ProfileError",
    "check_profile",
    "load_profile",
]
