"""Whose the host is and where it stands: the provider's metadata service and the machine's own firmware."""

from __future__ import annotations

from collections.abc import Mapping

from upheld_reference.host.recording import HOST, Recording

INSTANCE = "48211907"
"""The provider's number of the server."""
_ADDRESS = "203.0.113.24"
AVAILABILITY_ZONE = "fsn1-dc14"
"""Falkenstein, Germany; the region ``eu-central`` spans other countries too, so that it does not say where a server is."""


def recordings() -> Mapping[str, Recording]:
    """The metadata service's answer and the firmware's tables."""
    return {"provider-metadata.yaml": metadata(), "dmidecode.txt": firmware()}


def metadata() -> Recording:
    """What Hetzner's metadata service answers."""
    text = f"""\
availability-zone: {AVAILABILITY_ZONE}
hostname: {HOST}
instance-id: {INSTANCE}
local-ipv4: ''
network-config:
  config:
  - mac_address: 96:00:03:5a:1c:7e
    name: eth0
    subnets:
    - ipv4: true
      type: dhcp
    type: physical
  version: 1
public-ipv4: {_ADDRESS}
public-keys: []
region: eu-central
"""
    return Recording("curl 7.88.1", "curl -sf http://169.254.169.254/hetzner/v1/metadata", text)


def firmware() -> Recording:
    """What the machine's firmware says of its maker."""
    return dmi("Hetzner", "vServer", "20171111", INSTANCE, "Hetzner_vServer")


def dmi(manufacturer: str, product: str, version: str, serial: str, family: str) -> Recording:
    """The system table as dmidecode prints it."""
    text = f"""\
# dmidecode 3.4
Getting SMBIOS data from sysfs.
SMBIOS 2.8 present.

Handle 0x0100, DMI type 1, 27 bytes
System Information
\tManufacturer: {manufacturer}
\tProduct Name: {product}
\tVersion: {version}
\tSerial Number: {serial}
\tUUID: 5e1c7d0a-3b0f-4f6e-9f35-0c7a5f1b9d42
\tWake-up Type: Power Switch
\tSKU Number: Not Specified
\tFamily: {family}

"""
    return Recording("dmidecode 3.4", "dmidecode --type system", text)
