"""The plain ViT that is as deep: counted, not trained."""

from dataclasses import replace

from app.compare.deeper import as_deep, deeper_words
from vitrm.config import ResNetConfig
from vitrm.nets.cost import vit_parameters


def test_just_making_it_deeper_is_counted_without_being_trained(entry, a_vitrm, a_vit):
    deep = as_deep(a_vitrm)
    assert (deep.depth, deep.dim, deep.num_heads) == (3 * 2 * 2, 32, 2)
    words = deeper_words(entry("r", a_vitrm, 50.0, parameters=vit_parameters(deep) // 4))
    assert "12 layers of its own" in words
    assert "4.0 times as many" in words
    assert as_deep(a_vit) is None
    assert as_deep(ResNetConfig()) is None
    assert as_deep(replace(a_vitrm, supervision_steps=1000)) is None  # more than a ViT may have
