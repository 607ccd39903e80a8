"""The tables of the registry, one file per noun."""

from registry.models.api_token import ApiToken
from registry.models.audit_event import AuditEvent
from registry.models.group import Group, GroupMember
from registry.models.instance import Instance
from registry.models.job import Job
from registry.models.language_model import LanguageModel
from registry.models.login_link import LoginLink
from registry.models.profile import Profile
from registry.models.pulse import Pulse
from registry.models.registry import Registry
from registry.models.scan import Scan
from registry.models.server import Server
from registry.models.snapshot import Snapshot
from registry.models.sync_point import SyncPoint
from registry.models.tag import Tag
from registry.models.user import Role, User

__all__ = [
    "ApiToken",
    "AuditEvent",
    "Group",
    "GroupMember",
    "Instance",
    "Job",
    "LanguageModel",
    "LoginLink",
    "Profile",
    "Pulse",
    "Registry",
    "Role",
    "Scan",
    "Server",
    "Snapshot",
    "SyncPoint",
    "Tag",
    "User",
]
