"""Who is answered now, and with how much: see `admission`."""

from perpend.serving.admission.admission import Admission

__all__ = ["Admission"]
