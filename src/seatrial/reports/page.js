(function(){
var q=document.getElementById('q'),red=document.getElementById('red'),only=false;
if(!q)return;document.querySelector('.tools').hidden=false;
function show(){var w=q.value.toLowerCase();
document.querySelectorAll('[data-s]').forEach(function(e){
e.hidden=(only&&e.dataset.s==='ok')||(w&&e.dataset.n.toLowerCase().indexOf(w)<0)})}
q.addEventListener('input',show);
red.addEventListener('click',function(){only=!only;red.setAttribute('aria-pressed',only);show()});
document.getElementById('all').addEventListener('click',function(){
var d=Array.prototype.slice.call(document.querySelectorAll('details.suite')),open=d.some(function(e){return !e.open});
d.forEach(function(e){e.open=open})});
function reveal(){var e=document.getElementById(decodeURIComponent(location.hash.slice(1)));if(!e)return;
for(var p=e;p;p=p.parentElement)if(p.tagName==='DETAILS')p.open=true;
var d=e.querySelector('details');if(d)d.open=true;e.scrollIntoView()}
addEventListener('hashchange',reveal);reveal();
})();
