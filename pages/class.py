"""Class: the teacher asks, everybody predicts on a phone of their own, and all see what came out."""

import streamlit as st

from app import state, visitors
from app.classroom import student, teacher
from vitrm.places import ROOT

state.start()
st.html(ROOT / "app" / "classroom" / "classroom.css")
visitors.remember()
visitor = visitors.visitor()
(teacher if visitor.is_teacher else student).show(visitor)
