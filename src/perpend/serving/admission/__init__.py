"""Admission: decides which request runs now, and with how much thinking: see `admission`."""

from perpend.serving.admission.admission import Admission
from perpend.serving.admission.admitting import AdmissionGate, AdmittingSolver

__all__ = ["Admission", "AdmissionGate", "AdmittingSolver"]
