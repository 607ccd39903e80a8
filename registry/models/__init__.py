"""The tables of the registry, one file per noun."""

from registry.models.api_token import ApiToken
from registry.models.audit_event import AuditEvent
from registry.models.gateway_process import GatewayProcess
from registry.models.group import Group, GroupMember
from registry.models.instance import Instance
from registry.models.job import Job
from registry.models.language_model import LanguageModel
from registry.models.login_link import LoginLink
from registry.models.memory_policy import MemoryPolicy
from registry.models.profile import Profile
from registry.models.pulse import Pulse
from registry.models.registry import Registry
from registry.models.retention import Retention
from registry.models.scan import Scan
from registry.models.server import Server
from registry.models.snapshot import Snapshot
from registry.models.state_change import StateChange
from registry.models.sync_point import SyncPoint
from registry.models.tag import Tag
from registry.models.usage import InferenceRecord, KeptExchange, Rollup
from registry.models.user import Role, User
from registry.models.webhook import Delivery, Webhook

__all__ = [
    "ApiToken",
    "AuditEvent",
    "Delivery",
    "GatewayProcess",
    "Group",
    "GroupMember",
    "InferenceRecord",
    "Instance",
    "Job",
    "KeptExchange",
    "LanguageModel",
    "LoginLink",
    "MemoryPolicy",
    "Profile",
    "Pulse",
    "Registry",
    "Retention",
    "Role",
    "Rollup",
    "Scan",
    "Server",
    "Snapshot",
    "StateChange",
    "SyncPoint",
    "Tag",
    "User",
    "Webhook",
]
