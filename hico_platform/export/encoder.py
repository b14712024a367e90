"""A frozen encoder: recorded poses to features, and with a recogniser to neighbours and class probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hico_platform.augment.frames import StoredPoses, centre_crop, crop_and_resize
from hico_platform.augment.streams import spatial_tokens, temporal_tokens, to_stream
from hico_platform.build import BODIES, build_encoder
from hico_platform.config.trial import TrialConfig
from hico_platform.data.axes import MOST_BODIES_RECORDED, axes_remedy, ordered
from hico_platform.data.layout import Layout
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.sequence import MissingJoint, nan_where_zero
from hico_platform.data.skeleton_file import BodyOrder
from hico_platform.data.store import COORDINATES
from hico_platform.errors import DataError, Problem, UsageError, command
from hico_platform.export.recogniser import Neighbour, Recogniser
from hico_platform.model.encoder import HierarchicalEncoder, Tokens

BATCH = 256


class Encoder:
    """A frozen encoder that turns recorded poses into features, and recognises actions where it has a recogniser."""

    def __init__(
        self,
        *,
        config: TrialConfig,
        layout: Layout,
        weights: dict[str, Tensor],
        coordinates: int = COORDINATES,
        normalisation: Normalisation | None = Normalisation.RELEASED,
        missing_joint: MissingJoint = MissingJoint.ZERO,
        bodies: BodyOrder = BodyOrder.FOLLOWED,
        recogniser: Recogniser | None = None,
    ) -> None:
        self.config = config
        self.layout = layout
        self.coordinates = coordinates
        self.normalisation = normalisation
        """How its training data were normalised; None if they were as recorded."""
        self.missing_joint = missing_joint
        """How its training data marked a missing joint."""
        self.bodies = bodies
        """How the bodies of their ``.skeleton`` files were told apart."""
        self._recogniser = recogniser
        self._encoder = build_encoder(config, layout=layout, coordinates=coordinates)
        self._encoder.load_state_dict(weights)
        self._encoder.eval()
        self.feature_width = self._encoder.feature_width

    @property
    def network(self) -> HierarchicalEncoder:
        """The module with the weights, on the CPU, dropout off."""
        return self._encoder

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of ``probabilities``; empty where the model has no recogniser."""
        return () if self._recogniser is None else self._recogniser.class_names

    @property
    def recogniser(self) -> Recogniser:
        """What recognises actions by features.

        Raises:
            UsageError: the model has none.
        """
        if self._recogniser is None:
            raise UsageError(
                Problem(
                    field="model",
                    rule="a model with classes and the features of its training sequences",
                    value="an encoder alone",
                    remedy=f"register one by {command('retrain')} NAME: earlier versions exported encoders alone",
                )
            )
        return self._recogniser

    def features(self, poses: Sequence[npt.ArrayLike]) -> npt.NDArray[np.float32]:
        """Features (n, 2*G*D) of recorded poses, before any normalisation of the features.

        Each pose is (T, J, C) or (T, M, J, C), in metres, or of two coordinates in pixels of an image with y pointing
        down. It has the layout and the coordinates of the data the encoder was trained on, and is normalised and
        cropped as they were. NaN marks a missing joint; zeros do too where they did in those data (``missing_joint``),
        and else are a joint at the origin.

        Raises:
            DataError: a pose has another shape, is not of numbers, or shows nobody.
        """
        return self.encode(self.prepare(poses))

    def neighbours(self, poses: Sequence[npt.ArrayLike], *, k: int = 5) -> list[list[Neighbour]]:
        """The k training sequences that are most similar to each recorded pose, the most similar first.

        Poses are those of :meth:`features`. There are fewer than ``k`` where the gallery has fewer sequences.

        Raises:
            DataError: as :meth:`features`.
            UsageError: ``k`` is below 1, or the model has no recogniser.
        """
        return self.recogniser.neighbours(self.features(poses), k=k)

    def probabilities(self, poses: Sequence[npt.ArrayLike]) -> npt.NDArray[np.float64]:
        """The probability (n, classes) of each class for recorded poses, in the order of ``class_names``.

        Poses are those of :meth:`features`. A class without a training sequence has probability 0.

        Raises:
            DataError: as :meth:`features`.
            UsageError: the model has no recogniser.
        """
        return self.recogniser.probabilities(self.features(poses))

    def prepare(self, poses: Sequence[npt.ArrayLike]) -> npt.NDArray[np.float32]:
        """Recorded poses as the encoder takes them: normalised, cropped and resized to T frames, (n, T, M, J, C).

        Poses are those of :meth:`features`, which is ``encode(prepare(poses))``. The second of two bodies is zeros
        where a recording shows one.

        Raises:
            DataError: as :meth:`features`.
        """
        ready = [self._normalised(pose, i) for i, pose in enumerate(poses)]
        frames, joints = self.config.views.frames, len(self.layout.joints)
        if not ready:
            return np.zeros((0, frames, BODIES, joints, self.coordinates), np.float32)
        sizes = [pose.size for pose in ready]
        stored = StoredPoses(
            values=torch.from_numpy(np.concatenate([pose.reshape(-1) for pose in ready])),
            offsets=torch.tensor([0, *np.cumsum(sizes)[:-1]]),
            num_frames=torch.tensor([len(pose) for pose in ready]),
            num_bodies=torch.tensor([pose.shape[1] for pose in ready]),
            joints=joints,
            bodies=BODIES,
            coordinates=self.coordinates,
        )
        start, length = centre_crop(stored.num_frames, share=self.config.evaluation.centre_crop)
        prepared: npt.NDArray[np.float32] = crop_and_resize(stored, start, length, frames=frames).numpy()
        return prepared

    @torch.no_grad()
    def encode(self, prepared: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Features (n, 2*G*D) of poses (n, T, M, J, C) from :meth:`prepare`."""
        parents = torch.tensor(self.layout.parents)
        encoded = [np.zeros((0, self.feature_width), np.float32)]
        for start in range(0, len(prepared), BATCH):
            poses = torch.from_numpy(prepared[start : start + BATCH])
            view = to_stream(poses, self.config.views.stream, parents=parents)
            tokens = Tokens(temporal=temporal_tokens(view), spatial=spatial_tokens(view))
            encoded.append(self._encoder(tokens).instance().numpy())
        return np.concatenate(encoded)

    def _normalised(self, given: npt.ArrayLike, index: int) -> npt.NDArray[np.float32]:
        pose = self._checked(given, index)
        if pose.ndim == 3:
            pose = pose[:, None]
        pose = np.where(np.isnan(pose).any(axis=-1, keepdims=True), np.float32(np.nan), pose)
        if self.missing_joint is MissingJoint.ZERO:
            pose = nan_where_zero(pose)
        if np.isnan(pose).all():
            raise DataError(
                Problem(
                    field=f"poses[{index}]",
                    rule="a recording that shows at least one joint",
                    remedy="leave it out: every joint is missing",
                )
            )
        if self.normalisation is None:
            return np.nan_to_num(pose[:, :BODIES])
        return normalise(pose, self.layout, method=self.normalisation).pose

    def _checked(self, given: npt.ArrayLike, index: int) -> npt.NDArray[np.float32]:
        """A pose as numbers, (T, J, C) or (T, M, J, C)."""
        sizes = {"joints": len(self.layout.joints), "coordinates": self.coordinates}
        try:
            pose = np.asarray(given, dtype=np.float32)
        except (ValueError, TypeError) as error:  # lists of several lengths, or of something else
            array_remedy = "give an array, or lists as long as one another"
            raise DataError(
                Problem(
                    field=f"poses[{index}]", rule="an array of numbers", value=str(error)[:200], remedy=array_remedy
                )
            ) from None
        order = "TJC" if pose.ndim == 3 else "TMJC"
        if not ordered(pose.shape, order=order, **sizes) or 0 in pose.shape:
            remedy = axes_remedy(pose.shape, order=order, **sizes)
            of_frame = f"{sizes['joints']} joints x {sizes['coordinates']}"
            raise DataError(
                Problem(
                    field=f"poses[{index}]",
                    rule=f"frames x {of_frame}, or frames x bodies x {of_frame}, "
                    f"with at most {MOST_BODIES_RECORDED} bodies, and not more bodies than frames",
                    value=pose.shape,
                    remedy=remedy or f"bring {self.coordinates}D poses in the layout {self.layout.name}",
                )
            )
        if np.isinf(pose).any():
            raise DataError(
                Problem(
                    field=f"poses[{index}]",
                    rule="a finite number for every coordinate",
                    value="inf",
                    remedy="correct it, or mark the joint as missing by NaN",
                )
            )
        return pose
