"""What a regression says of customers who were left out of it, for every strength of the penalty, at a tenth of the work.

Five parts are left out in turn at four strengths: twenty fits beside the one that is kept. They differ little, so none begins
from nothing. Each starts at the solution of all rows, and its steps use the curvature that was found there, which is added up by
parts: leaving a part out takes its curvature off. The curvature is found anew only where steps do not shrink as they should.
The solution is the same as that of a fit of its own, to the gradient that scikit-learn stops at: the sum that is least is the
same (logistic loss plus half the squared weights over C), and each fit is penalised in the standard deviations of its own rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidings.errors import TidingsError
from tidings.scores.model import logistic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

# The largest entry of the mean gradient at which a fit has settled, and the steps after which it will not.
_SETTLED, _MOST = 1e-8, 200
# A step that takes less than this off the gradient wants a new curvature.
_SHRINKS = 0.2


@dataclass(slots=True)
class _Part:
    """The rows of one part: standardised values with a column of ones, answers, their curvature at the last place it was found."""

    rows: Column
    did: Column
    curvature: Column = field(init=False)

    def bend(self, at: Column) -> Column:
        """Find the curvature at a place and keep it."""
        chance = logistic(self.rows @ at)
        self.curvature = self.rows.T @ (self.rows * (chance * (1 - chance))[:, None])
        return self.curvature

    def slope(self, at: Column) -> tuple[float, Column]:
        """Return the loss at a place and its gradient."""
        import numpy as np

        sums = self.rows @ at
        loss = float((np.logaddexp(0.0, sums) - self.did * sums).sum())
        return loss, self.rows.T @ (logistic(sums) - self.did)


def sums_held_out(
    values: Column, did: Column, part: NDArray[np.int64], strengths: Sequence[float], *, alone: float
) -> dict[float, Column]:
    """Return, by strength, the log odds of each row by a fit without the part that it is in.

    Rows whose part holds everybody, or leaves only one answer, get `alone`. Raises TidingsError when a fit does not settle.
    """
    import numpy as np

    means, scales = values.mean(axis=0), values.std(axis=0)
    scales[scales == 0] = 1.0
    order = np.argsort(part, kind="stable")
    numbers, begins = np.unique(part[order], return_index=True)
    ends = [*begins[1:], len(order)]
    rows = np.column_stack([(values[order] - means) / scales, np.ones(len(order))])
    parts = [_Part(rows[begin:end], did[order[begin:end]]) for begin, end in zip(begins, ends, strict=True)]
    found: dict[float, Column] = {}
    at = np.zeros(rows.shape[1])
    share = min(max(float(did.mean()), 1e-6), 1 - 1e-6)
    at[-1] = np.log(share / (1 - share))
    for one in parts:
        one.bend(at)
    for strength in strengths:
        # Where all rows lie is where each fit without a part begins.
        at = _settled(parts, at, strength, keep=True)
        sums = np.zeros(len(did))
        for place, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            others = [one for other, one in enumerate(parts) if other != place]
            answers = {float(answer) for one in others for answer in np.unique(one.did)}
            mine = order[begin:end]
            if len(answers) < 2:
                sums[mine] = alone
            else:
                sums[mine] = parts[place].rows @ _settled(others, at, strength)
        found[strength] = sums
    assert len(numbers) == len(parts)
    return found


def _settled(parts: Sequence[_Part], start: Column, strength: float, *, keep: bool = False) -> Column:
    """Return where loss and penalty over these parts are least; with `keep` a curvature found anew is that of the parts from then on."""
    import numpy as np

    count = sum(len(one.did) for one in parts)
    penalty = _spread(parts, count) / strength
    bent = np.sum([one.curvature for one in parts], axis=0)

    def slope(at: Column) -> tuple[float, Column]:
        each = [one.slope(at) for one in parts]
        loss = sum(one for one, _ in each) + 0.5 * float(penalty @ at**2)
        return loss, np.sum([one for _, one in each], axis=0) + penalty * at

    at, (loss, gradient), fresh = start, slope(start), False
    for _ in range(_MOST):
        size = float(np.abs(gradient).max()) / count
        if size <= _SETTLED:
            return at
        try:
            step = np.linalg.solve(bent + np.diag(penalty), gradient)
        except np.linalg.LinAlgError:
            break
        length = 1.0
        while True:
            there = at - length * step
            new_loss, new_gradient = slope(there)
            if new_loss <= loss + 1e-12 * abs(loss) or length < 1e-6:
                break
            length /= 2
        slow = length < 1 or float(np.abs(new_gradient).max()) / count > _SHRINKS * size
        at, loss, gradient = there, new_loss, new_gradient
        if slow and fresh and length < 1e-6:
            break
        fresh = slow
        if slow:
            bent = np.sum(
                [one.bend(at) if keep else _Part(one.rows, one.did).bend(at) for one in parts], axis=0
            )
    raise TidingsError(
        "the regression does not settle on these events",
        what_to_do="leave out an event that nearly everybody, or nearly nobody, does",
    )


def _spread(parts: Sequence[_Part], count: int) -> Column:
    """Return the variance of each column over these parts, as the penalty counts it; the constant is not penalised."""
    import numpy as np

    total = np.sum([one.rows.sum(axis=0) for one in parts], axis=0) / count
    squares = np.sum([np.einsum("ij,ij->j", one.rows, one.rows) for one in parts], axis=0) / count
    found: Column = np.maximum(squares - total**2, 0.0)
    # A column that is the same in all these rows is not scaled: scikit-learn takes 1 for its deviation.
    found[found < 1e-12] = 1.0
    found[-1] = 0.0
    return found
